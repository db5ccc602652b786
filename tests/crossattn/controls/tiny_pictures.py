"""Pictures of several prompts by a tiny pipeline, all from the same noise, by any scheduler."""

from collections.abc import Sequence
from typing import Any

import diffusers
import torch
from torch import Tensor

from crossattn import Control, attach

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


def run(
    pipe: Any, prompts: Sequence[str], *controls: Control, steps: int = 4, **settings: Any
) -> Tensor:
    """Return latents (prompts, channels, height, width)."""
    settings = {"height": 64, "width": 64, "guidance_scale": 4.0} | settings
    generators = [torch.Generator().manual_seed(3) for _ in prompts]
    named = list(prompts) if controls else None
    with attach(pipe, *controls, prompt=named):
        return pipe(
            list(prompts),
            generator=generators,
            num_inference_steps=steps,
            output_type="latent",
            **settings,
        ).images
