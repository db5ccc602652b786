"""Training on a device: where a model lies, mixed precision there, and what is compiled for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import ModelMixin
from torch import nn


def device_of(model: nn.Module) -> torch.device:
    """The device that a model's weights lie on."""
    return next(model.parameters()).device


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision on a device: bfloat16 for convolutions and products, where there is such."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def compile_blocks(denoiser: ModelMixin, **options: Any) -> None:
    """Compile the block that a denoiser repeats, in place: once for all of them, and in seconds
    where the whole takes minutes. `options` are those of `torch.compile`."""
    denoiser.compile_repeated_blocks(**options)
