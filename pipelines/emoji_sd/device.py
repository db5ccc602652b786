"""Training on a device: where a model lies, mixed precision there, and what is compiled for it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn


def device_of(model: nn.Module) -> torch.device:
    """The device that a model's weights lie on."""
    return next(model.parameters()).device


def autocast(device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision on a device: bfloat16 for convolutions and products, where there is such."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def compile_blocks(denoiser: nn.Module, kind: str, **options: Any) -> None:
    """Compile the blocks of a class that a denoiser repeats, in place: they share what is compiled,
    in seconds where the whole takes minutes. `options` are those of `torch.compile`."""
    for block in denoiser.modules():
        if type(block).__name__ == kind:
            block.compile(**options)
