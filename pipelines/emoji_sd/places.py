"""The places: six painted backdrops, larger than a picture, so that a window can move over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

BACKDROP: Final = 160
_FINE: Final = 4  # painted at four times the size, then shrunk: smooth edges without a drawing kit

_Colour = tuple[int, int, int]
_Point = tuple[float, float]


class _Canvas:
    """A backdrop in units of its own side (0 to 1, y downwards)."""

    def __init__(self, top: _Colour, bottom: _Colour) -> None:
        self.side = BACKDROP * _FINE
        ramp = np.linspace(0, 1, self.side)[:, None, None]
        sky = np.array(top) * (1 - ramp) + np.array(bottom) * ramp
        full = np.broadcast_to(sky, (self.side, self.side, 3))
        self.image = Image.fromarray(full.round().astype(np.uint8))
        self.draw = ImageDraw.Draw(self.image)

    def shape(self, points: Sequence[_Point], colour: _Colour) -> None:
        self.draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: _Colour) -> None:
        edges = [(v + d * radius) * self.side for d in (-1, 1) for v in (x, y)]
        self.draw.ellipse(edges, fill=colour)

    def hills(self, level: float, height: float, waves: float, shift: float, c: _Colour) -> None:
        xs = np.linspace(0, 1, 200)
        ys = level - height * np.sin(2 * np.pi * (waves * xs + shift))
        self.shape([(0, 1), *zip(xs.tolist(), ys.tolist(), strict=True), (1, 1)], c)

    def cloud(self, x: float, y: float, size: float, colour: _Colour) -> None:
        for dx, dy, radius in ((-1, 0.1, 0.6), (0, -0.2, 0.9), (1, 0.1, 0.65)):
            self.disc(x + dx * size, y + dy * size, radius * size, colour)


def _meadow() -> _Canvas:
    canvas = _Canvas((96, 176, 248), (214, 240, 255))
    canvas.cloud(0.24, 0.16, 0.055, (255, 255, 255))
    canvas.cloud(0.78, 0.24, 0.04, (250, 253, 255))
    canvas.hills(0.52, 0.05, 1.1, 0.1, (142, 205, 96))
    canvas.hills(0.62, 0.04, 0.8, 0.55, (112, 186, 74))
    canvas.hills(0.82, 0.03, 1.2, 0.2, (88, 163, 58))
    return canvas


def _beach() -> _Canvas:
    canvas = _Canvas((110, 200, 250), (228, 246, 252))
    canvas.disc(0.8, 0.17, 0.07, (255, 236, 140))
    canvas.hills(0.46, 0.0, 1, 0, (52, 160, 200))
    canvas.hills(0.56, 0.012, 2.2, 0.3, (236, 250, 252))
    canvas.hills(0.58, 0.014, 2.1, 0.3, (244, 220, 160))
    canvas.hills(0.8, 0.02, 0.9, 0.1, (232, 202, 136))
    return canvas


def _mountains() -> _Canvas:
    canvas = _Canvas((150, 176, 214), (226, 232, 246))
    for x, peak, half in ((0.2, 0.2, 0.34), (0.82, 0.24, 0.36), (0.52, 0.12, 0.4)):
        canvas.shape([(x - half, 0.75), (x, peak), (x + half, 0.75)], (112, 122, 150))
        canvas.shape([(x, peak), (x + half, 0.75), (x + half * 0.2, 0.75)], (92, 100, 130))
        tip, side = peak + 0.16, half * 0.16 / (0.75 - peak)
        crest = [(x - side, tip), (x - side * 0.4, tip - 0.03), (x, tip + 0.01)]
        canvas.shape([(x, peak), *crest, (x + side * 0.4, tip - 0.03), (x + side, tip)],
                     (246, 249, 255))  # fmt: skip
    canvas.hills(0.7, 0.03, 1.0, 0.35, (200, 208, 226))
    canvas.hills(0.84, 0.03, 0.8, 0.8, (222, 228, 240))
    return canvas


def _night() -> _Canvas:
    canvas = _Canvas((10, 12, 48), (52, 48, 120))
    generator = np.random.default_rng(7)
    for x, y, radius in generator.uniform((0, 0, 0.005), (1, 0.72, 0.01), (34, 3)):
        canvas.disc(x, y, radius, (250, 246, 214))
    canvas.disc(0.2, 0.18, 0.08, (250, 244, 210))
    canvas.disc(0.235, 0.165, 0.068, (20, 22, 62))
    canvas.hills(0.8, 0.035, 1.0, 0.15, (28, 26, 74))
    canvas.hills(0.9, 0.03, 0.8, 0.6, (18, 17, 52))
    return canvas


def _sea() -> _Canvas:
    canvas = _Canvas((255, 178, 120), (255, 226, 180))
    canvas.disc(0.5, 0.4, 0.11, (255, 246, 196))
    for level, colour in (
        (0.42, (44, 140, 196)), (0.54, (36, 122, 182)), (0.68, (28, 102, 164)),
        (0.84, (20, 82, 144)),
    ):  # fmt: skip
        canvas.hills(level, 0.012, 3.1, level * 3, colour)
    return canvas


def _desert() -> _Canvas:
    canvas = _Canvas((120, 60, 130), (250, 150, 96))
    canvas.disc(0.72, 0.36, 0.1, (255, 214, 120))
    canvas.hills(0.52, 0.05, 0.9, 0.65, (196, 100, 70))
    canvas.hills(0.66, 0.05, 0.8, 0.1, (176, 82, 54))
    canvas.hills(0.86, 0.04, 0.9, 0.45, (150, 66, 44))
    return canvas


_PAINTERS: Final = {
    "meadow": _meadow,
    "beach": _beach,
    "mountains": _mountains,
    "night": _night,
    "sea": _sea,
    "desert": _desert,
}


@cache
def backdrop(place: str, style: str) -> NDArray[np.uint8]:
    """A place painted in a style, as (160, 160, 3) RGB of 0 to 255.

    The sticker style flattens the place into pastel tones. An unknown place raises KeyError.
    """
    image = _PAINTERS[place]().image
    if style == "sticker":
        image = image.filter(ImageFilter.GaussianBlur(10 * _FINE))
        image = Image.blend(image, Image.new("RGB", image.size, (255, 255, 255)), 0.4)
    return np.asarray(image.resize((BACKDROP, BACKDROP), Image.Resampling.LANCZOS))
