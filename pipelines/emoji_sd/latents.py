"""What the denoisers learn from: latents of scenes, where their objects are, and captions."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

from crossattn.pipelines.emoji_sd.ahead import Ahead
from crossattn.pipelines.emoji_sd.autoencoder import CHANNELS, encode, to_tensor
from crossattn.pipelines.emoji_sd.captions import Caption, describe
from crossattn.pipelines.emoji_sd.device import autocast, device_of
from crossattn.pipelines.emoji_sd.scenes import SIDE, Rendered, Scene, make_scene, render

GRID: Final = SIDE // 8
AREA: Final = 2000  # pixels of a picture, a little less than a big object has
EMPTY_SHARE: Final = 0.1
OBJECT_WEIGHT: Final = 5.0


@dataclass(frozen=True)
class SceneBatch:
    """Scenes (worded for the round they are in), their pictures (count, 128, 128, 3) of 0 to 255,
    and how much of each latent cell objects cover (count, 1, 16, 16)."""

    slots: list[int]
    scenes: list[Scene]
    pixels: NDArray[np.uint8]
    cover: NDArray[np.float32]


def render_batch(step: int, batch: int, size: int) -> SceneBatch:
    """The scenes of a step; past the first `size` they come round again, worded anew."""
    rounds, start = divmod(step * batch, size)
    slots = [(start + i) % size for i in range(batch)]
    scenes = [make_scene(slot) for slot in slots]
    rendered = [render(scene) for scene in scenes]
    return SceneBatch(
        slots,
        [replace(scene, wording=scene.wording + rounds) for scene in scenes],
        np.stack([one.pixels for one in rendered]),
        np.stack([cover_of_objects(one).numpy() for one in rendered]),
    )


class LatentPool:
    """The latents of the first `size` training scenes, each encoded when it is first asked for.

    They lie in one file, in half precision, so a later run need not encode them again. Scenes are
    rendered ahead by `workers` processes (0: when they are asked for).
    """

    def __init__(
        self, path: Path, autoencoder: AutoencoderKL, size: int, batch: int, workers: int = 0
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (size, CHANNELS, GRID, GRID)
        self._latents = np.memmap(path, np.float16, "r+" if path.exists() else "w+", shape=shape)
        self._autoencoder = autoencoder.eval().requires_grad_(False)
        self.rendered = Ahead(partial(render_batch, batch=batch, size=size), workers)
        self.size = batch

    def batch(self, step: int) -> tuple[Tensor, Tensor, list[Scene]]:
        """Latents (batch, 8, 16, 16), how much of each cell objects cover (batch, 1, 16, 16), and
        scenes to caption, of a step; on the CPU."""
        made = self.rendered(step)
        # A scene whose latent is all zeros has not been encoded yet.
        if not self._latents[made.slots].any(axis=(1, 2, 3)).all():
            device = device_of(self._autoencoder)
            with autocast(device), torch.no_grad():
                encoded = encode(self._autoencoder, to_tensor(made.pixels).to(device))
            self._latents[made.slots] = encoded.float().cpu().numpy()
        latents = torch.from_numpy(self._latents[made.slots].astype(np.float32))
        return latents, torch.from_numpy(made.cover), made.scenes


def cover_of_objects(scene: Rendered) -> Tensor:
    """The share of each latent cell that objects cover, (1, 16, 16), an object of less than
    `AREA` pixels counting for as much as one of that area: what is small is no less asked for."""
    masks = torch.from_numpy(scene.masks)
    weights = (AREA / masks.sum((1, 2)).clamp(min=1)).clamp(min=1)
    return F.avg_pool2d((masks * weights[:, None, None]).sum(0, keepdim=True), SIDE // GRID)


def weight_of_objects(cover: Tensor, seen: int, focus: int) -> Tensor:
    """The weight of each cell in the loss after `seen` samples: more where objects are, by less
    and less over the first `focus` samples."""
    return 1 + OBJECT_WEIGHT * max(0.0, 1 - seen / focus) * cover


def captions_of(scenes: list[Scene], step: int) -> list[Caption]:
    """The captions that a step learns, a tenth of them empty."""
    rng = random.Random(f"captions {step}")
    return [Caption("", {}) if rng.random() < EMPTY_SHARE else describe(scene) for scene in scenes]
