"""Pictures of several prompts by a tiny pipeline, all from the same noise, by any scheduler."""

from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from torch import Tensor

from crossattn import Attention, Control, LayerCall, attach

SOURCE = "a red car on grass"
TARGET = "a red balloon on grass"

SCHEDULERS = (
    "DDIMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
)


def switch(pipe: Any, scheduler: str) -> None:
    """Give a pipeline another scheduler, by the name of its class."""
    pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config)


def sharpen(pipe: Any) -> Any:
    """Make its words and pixels differ: random weights attend to all of them alike."""
    for name, parameter in pipe.unet.named_parameters():
        if name.endswith(("to_q.weight", "to_k.weight")):
            parameter.data.mul_(5)
    pipe.text_encoder.get_input_embeddings().weight.data.mul_(20)
    return pipe


def run(
    pipe: Any, prompts: str | Sequence[str], *controls: Control, steps: int = 4, **settings: Any
) -> Tensor:
    """Return latents (images, channels, height, width)."""
    settings = {"height": 64, "width": 64, "guidance_scale": 4.0} | settings
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    images = len(texts) * settings.get("num_images_per_prompt", 1)
    generators = [torch.Generator().manual_seed(3) for _ in range(images)]
    with attach(pipe, *controls, prompt=texts if controls else None):
        latents: Tensor = pipe(
            texts,
            generator=generators,
            num_inference_steps=steps,
            output_type="latent",
            **settings,
        ).images
    return latents


class Maps(Control):
    """Keeps what the last image attends with, by grid: `probs[4, 4]` (heads, 4, 4, tokens).

    Of each grid it is the last call, whose result (rows, heads, pixels, width) is `output`.
    """

    def __init__(self) -> None:
        self.probs: dict[tuple[int, int], Tensor] = {}
        self.output: dict[tuple[int, int], Tensor] = {}

    def attend(self, call: LayerCall, attention: Attention) -> None:
        grid = call.height, call.width
        self.probs[grid] = attention.probabilities(call.step.rows.positive[-1]).unflatten(1, grid)
        self.output[grid] = attention.output()
