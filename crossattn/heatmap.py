"""A word's map over the picture, and how it is drawn."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

from crossattn.coverage import strength

# Nine points of the inferno scale (Matplotlib's, CC0), read evenly from 0 to 1.
INFERNO = (
    (0, 0, 4),
    (31, 12, 72),
    (85, 15, 109),
    (136, 34, 106),
    (186, 54, 85),
    (227, 89, 51),
    (249, 140, 10),
    (249, 201, 50),
    (252, 255, 164),
)
SHADES = 2048


def resize(maps: Tensor, height: int, width: int) -> Tensor:
    """Bicubic up- or down-sampling of maps (..., height, width), kept at 0 or above."""
    if maps.shape[-2:] == (height, width):
        return maps
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    flat = F.interpolate(flat, size=(height, width), mode="bicubic", align_corners=False)
    return flat.clamp(min=0).reshape(*maps.shape[:-2], height, width)


@dataclass(frozen=True)
class HeatMap:
    """Where a word, phrase or token went.

    `data` (height, width) is float32 on the latent's grid, 0 to 1: how much of each pixel's
    attention went to `text`, joined over heads and sites as the trace was asked to. `mass` is the
    mean over everything that was recorded, not only the sites that the map is drawn from. `within`
    is what all the text together has: 1 where pixels attend to the text alone.
    """

    text: str
    data: Tensor
    mass: float
    within: float = 1.0

    def resize(self, height: int, width: int) -> "HeatMap":
        """The same map with another number of pixels, bicubic."""
        return replace(self, data=resize(self.data, height, width))

    def normalised(self) -> Tensor:
        """`data` stretched to run from 0 to 1; zeros where the map is flat."""
        low, high = self.data.min(), self.data.max()
        return (self.data - low) / (high - low) if high > low else torch.zeros_like(self.data)

    def mask(self, threshold: float = 0.4) -> Tensor:
        """Where the normalised map exceeds `threshold`: bool (height, width)."""
        return self.normalised() > threshold

    def _shown(self) -> np.ndarray:
        """What is drawn: normalised, but a map that is nearly flat, or weak, stays faint."""
        contrast = 1 - float(self.data.min() / self.data.max()) if self.data.max() > 0 else 0.0
        return self.normalised().numpy() * min(1.0, 2 * contrast, strength(self))

    def image(self, height: int, width: int) -> Image.Image:
        """The map alone, on the inferno scale."""
        heat = self.resize(height, width)._shown()
        return Image.fromarray(inferno(heat).round().astype(np.uint8))

    def overlay(self, picture: Image.Image) -> Image.Image:
        """`picture`, dimmed, with the map shining on it in the inferno scale; RGB, its size."""
        rgb = np.asarray(picture.convert("RGB"), dtype=np.float32)
        heat = self.resize(picture.height, picture.width)._shown()
        # numpy's mean over the last axis says the same, ten times more slowly.
        grey = (rgb[..., :1] + rgb[..., 1:2] + rgb[..., 2:]) / 3
        dimmed = 0.42 * (0.55 * rgb + 0.45 * grey)
        # Faint heat is left to the picture, so that noise does not paint over it.
        alpha = 0.88 * np.clip((heat - 0.12) / 0.45, 0, 1)[..., None]
        return Image.fromarray((dimmed * (1 - alpha) + inferno(heat) * alpha).astype(np.uint8))


def inferno(heat: np.ndarray) -> np.ndarray:
    """Inferno colours, float32 (..., 3) in 0 to 255, of heat (...) in 0 to 1."""
    return _colours().take((heat * (SHADES - 1)).round().astype(np.intp), axis=0)


@cache
def _colours() -> np.ndarray:
    """The scale in steps finer than eight bits: (SHADES, 3)."""
    at, points = np.linspace(0, 1, len(INFERNO)), np.array(INFERNO).T
    shades = np.linspace(0, 1, SHADES)
    colours = np.stack([np.interp(shades, at, channel) for channel in points], -1)
    return colours.astype(np.float32)
