"""How fast pictures are drawn and scenes are made, on the machine at hand."""

from __future__ import annotations

import statistics
import time

import torch
from diffusers import DiffusionPipeline

from crossattn.pipelines.emoji_sd.captions import describe
from crossattn.pipelines.emoji_sd.scenes import make_scene, render
from crossattn.pipelines.shipped import ShippedModel


def seconds_a_picture(pipeline: DiffusionPipeline, model: ShippedModel) -> float:
    """Processor time, the median of three pictures after one to warm up, on the model's own number
    of threads: on one, what the clock says of a machine with nothing else to do."""
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(model.threads)
    for _ in range(4):
        started = time.process_time()
        pipeline(
            "a big red car left of a small blue balloon on a beach",
            num_inference_steps=model.steps,
            guidance_scale=model.guidance,
            generator=torch.Generator().manual_seed(0),
            **model.options,
        )
        times.append(time.process_time() - started)
    torch.set_num_threads(threads)
    return statistics.median(times[1:])


def scenes_a_second(count: int) -> float:
    """Scenes drawn and described in a second of one core's time, after some that warm up."""

    def draw(seeds: range) -> None:
        for scene in map(make_scene, seeds):
            render(scene)
            describe(scene)

    draw(range(count // 10))
    started = time.process_time()
    draw(range(count))
    return count / (time.process_time() - started)
