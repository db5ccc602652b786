"""The autoencoder: 128×128 pictures to 16×16 latents of 8 channels, trained in two stages.

First everything together on crops; then the encoder is frozen, its latents are whitened, and the
decoder alone goes on learning.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from crossattn.pipelines.emoji_sd.checkpoint import seeded
from crossattn.pipelines.emoji_sd.device import autocast, device_of
from crossattn.pipelines.emoji_sd.scenes import SIDE, Rendered, Split, make_scene, render

CHANNELS: Final = 8
CROP: Final = 64
NOISE: Final = 0.1


def make_autoencoder(widths: tuple[int, ...] = (16, 32, 96, 128)) -> AutoencoderKL:
    """An untrained autoencoder, 8 times down, thin where the picture is large."""
    levels = len(widths)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        sample_size=SIDE,
        scaling_factor=1.0,
        shift_factor=0.0,
        mid_block_add_attention=False,
    ).to(memory_format=torch.channels_last)


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Pictures (batch, height, width, 3) of 0 to 255 as (batch, 3, height, width) of -1 to 1."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def encode(model: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Latents (batch, 8, height / 8, width / 8) of pictures (batch, 3, height, width), -1 to 1."""
    latents: Tensor = model.encode(pictures).latent_dist.mode()
    return latents


def pictures(seeds: range, split: Split = "train") -> Tensor:
    """Whole scenes (len(seeds), 3, 128, 128) of -1 to 1."""
    return to_tensor(np.stack([render(make_scene(seed, split)).pixels for seed in seeds]))


def _crop(scene: Rendered, seed: int) -> NDArray[np.uint8]:
    rng = random.Random(seed)
    x, y = rng.randint(0, SIDE - CROP), rng.randint(0, SIDE - CROP)
    if rng.random() < 0.75:
        left, top, right, bottom = rng.choice(scene.boxes)
        x = (left + right - CROP) // 2 + rng.randint(-12, 12)
        y = (top + bottom - CROP) // 2 + rng.randint(-12, 12)
        x, y = min(max(x, 0), SIDE - CROP), min(max(y, 0), SIDE - CROP)
    return scene.pixels[y : y + CROP, x : x + CROP]


def reconstruction_loss(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Distance of pictures (batch, 3, height, width): absolute, of edges, and squared."""
    edges = sum((drawn.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean() for axis in (2, 3))
    return (drawn - wanted).abs().mean() + 0.5 * edges + 2 * F.mse_loss(drawn, wanted)


def render_pixels(step: int, batch: int) -> NDArray[np.uint8]:
    """Crops (batch, 64, 64, 3), and every fourth step whole pictures of the same area."""
    if step % 4 == 3:
        seeds = range(step * batch, step * batch + batch // 4)
        return np.stack([render(make_scene(seed)).pixels for seed in seeds])
    seeds = range(step * batch, (step + 1) * batch)
    return np.stack([_crop(render(make_scene(seed)), seed) for seed in seeds])


def autoencoder_loss(
    model: AutoencoderKL, rendered: Callable[[int], NDArray[np.uint8]]
) -> Callable[[int], Tensor]:
    """The loss of a step of the first stage: reconstruct through slightly noisy latents.

    The noise, and a weak pull of the latents towards zero, take the place of the usual
    Kullback-Leibler term. `rendered` gives the pictures of a step.
    """
    device = device_of(model)

    def loss(step: int) -> Tensor:
        wanted = _wanted(rendered(step), device)
        with autocast(device):
            latents = encode(model, wanted).float()
            noise = torch.randn(latents.shape, generator=seeded("autoencoder", step)).to(device)
            drawn = model.decode(latents + NOISE * noise).sample.float()
        return reconstruction_loss(drawn, wanted) + 2e-3 * latents.square().mean()

    return loss


def decoder_loss(
    model: AutoencoderKL, rendered: Callable[[int], NDArray[np.uint8]]
) -> Callable[[int], Tensor]:
    """The loss of a step of the second stage, in which only the decoder learns."""
    device = device_of(model)

    def loss(step: int) -> Tensor:
        wanted = _wanted(rendered(step + 2**24), device)
        with autocast(device):
            with torch.no_grad():
                latents = encode(model, wanted).float()
            noise = torch.randn(latents.shape, generator=seeded("decoder", step)).to(device)
            drawn = model.decode(latents + 0.05 * noise).sample.float()
        return reconstruction_loss(drawn, wanted)

    return loss


def _wanted(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    return to_tensor(pixels).to(device, memory_format=torch.channels_last)


@torch.no_grad()
def whiten(model: AutoencoderKL, scenes: int = 2048) -> None:
    """Give every latent channel mean 0 and deviation 1 over fresh scenes.

    The shift and scale go into the convolutions on both sides of the latent, so that the usual
    single scaling factor is 1 and reconstructions stay as they were.
    """
    device = device_of(model)
    with autocast(device):
        latents = torch.cat(
            [
                encode(model, pictures(range(i, i + 32), "fresh").to(device))
                for i in range(0, scenes, 32)
            ]
        ).float()
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    before, after = model.quant_conv, model.post_quant_conv
    # Only the first half of quant_conv's outputs are means; the rest would be log-variances.
    before.weight[:CHANNELS] /= deviation[:, None, None, None]
    before.bias[:CHANNELS] = (before.bias[:CHANNELS] - mean) / deviation
    # The log-variances are never trained: fix them so that sampling stays at the mean.
    before.weight[CHANNELS:] = 0
    before.bias[CHANNELS:] = -20
    after.bias += after.weight[:, :, 0, 0] @ mean
    after.weight *= deviation[None, :, None, None]


@torch.no_grad()
def psnr(model: AutoencoderKL, scenes: int = 256) -> float:
    """Peak signal-to-noise ratio in decibels over whole fresh scenes, a mean over pictures."""
    values = []
    for first in range(0, scenes, 32):
        wanted = pictures(range(2**20 + first, 2**20 + min(first + 32, scenes)), "fresh")
        wanted = wanted.to(device_of(model))
        drawn = model.decode(encode(model, wanted)).sample.clamp(-1, 1)
        values.append(10 * torch.log10(4 / (drawn - wanted).square().mean((1, 2, 3))))
    return float(torch.cat(values).mean())
