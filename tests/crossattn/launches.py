"""What a device is asked to do in a run of a tiny UNet there, step by step."""

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from crossattn import Control, attach

sys.path.append(str(Path(__file__).parents[2] / "samples" / "bench"))
from counting import Launches


def run_on_meta(
    pipe: Any,
    prompts: list[str],
    *controls: Control,
    steps: int = 1,
    negative: str | None = None,
) -> list[Counter[str]]:
    """The launches of each step on a device from which nothing can be fetched, controls attached.

    Any wait for the device (`item`, `float`, `tolist`, a copy) fails there. Guided if there is a
    negative prompt; what only guidance launches is the plain run's as well.
    """
    unet, scheduler = pipe.unet.to("meta"), pipe.scheduler
    bare = SimpleNamespace(unet=unet, scheduler=scheduler, tokenizer=pipe.tokenizer)
    sides = 1 if negative is None else 2
    rows = len(prompts) * sides
    dtype, size = unet.dtype, unet.config.sample_size
    latents = torch.empty(len(prompts), 4, size, size, device="meta", dtype=dtype)
    text = torch.empty(rows, 77, unet.config.cross_attention_dim, device="meta", dtype=dtype)
    scheduler.set_timesteps(steps)
    counted = []
    told = {"prompt": prompts, "negative_prompt": negative, "guided": sides > 1}
    with attach(bare, *controls, **told), torch.no_grad():
        for timestep in scheduler.timesteps:
            with Launches() as launches:
                given = torch.cat([latents] * sides)
                noise = unet(given, timestep, encoder_hidden_states=text).sample
                noise = noise.chunk(sides)[-1]
                latents = scheduler.step(noise, timestep, latents).prev_sample
            counted.append(launches.names)
    return counted
