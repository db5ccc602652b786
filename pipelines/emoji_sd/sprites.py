"""The sprite sheet: glyphs cut once from Noto Color Emoji, tinted and resized on demand."""

from __future__ import annotations

import colorsys
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from crossattn.pipelines.emoji_sd.vocabulary import COLOURS, OBJECTS

SHEET: Final = Path(__file__).with_name("sprites.png")
CELL: Final = 96
COLUMNS: Final = 8


def cut_sheet(font: Path, out: Path = SHEET) -> None:
    """Draw every object's glyph from the emoji font into one PNG, a cell of 96×96 pixels each."""
    face = ImageFont.truetype(str(font), 109)
    rows = -(-len(OBJECTS) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * CELL, rows * CELL))
    for index, glyph in enumerate(OBJECTS.values()):
        drawn = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(drawn).text((10, 10), glyph, font=face, embedded_color=True)
        drawn = drawn.crop(drawn.getbbox())
        drawn.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        row, column = divmod(index, COLUMNS)
        sheet.paste(drawn, (column * CELL, row * CELL))
    sheet.save(out, optimize=True)


@lru_cache(maxsize=1)
def _sheet() -> Image.Image:
    with Image.open(SHEET) as sheet:
        return sheet.convert("RGBA")


@cache
def _glyph(name: str, colour: str | None) -> Image.Image:
    row, column = divmod(list(OBJECTS).index(name), COLUMNS)
    cell = _sheet().crop((column * CELL, row * CELL, (column + 1) * CELL, (row + 1) * CELL))
    glyph = cell.crop(cell.getbbox())
    return glyph if colour is None else _tint(glyph, colour)


def _tint(glyph: Image.Image, colour: str) -> Image.Image:
    """Keep the glyph's light and shade, and take every pixel's hue from the colour."""
    pixels = np.asarray(glyph).astype(np.float32) / 255
    light = pixels[..., :3] @ np.array([0.3, 0.59, 0.11], np.float32)
    low, high = np.quantile(light[pixels[..., 3] > 0.5], [0.02, 0.98])
    light = np.clip((light - low) / max(high - low, 0.05), 0, 1)[..., None]
    hue = np.array(colorsys.hsv_to_rgb(*COLOURS[colour], 1.0), np.float32)
    dark = hue * (0.3 + 0.7 * light / 0.6)
    bright = hue + (1 - hue) * (light - 0.6) / 0.4 * 0.5
    tinted = np.concatenate([np.where(light < 0.6, dark, bright), pixels[..., 3:]], axis=-1)
    return Image.fromarray((tinted * 255).round().astype(np.uint8), "RGBA")


@lru_cache(maxsize=20_000)
def sprite(name: str, colour: str | None, side: int) -> NDArray[np.uint8]:
    """An object's glyph in a colour (None: natural), its longer side `side` pixels.

    Returns (height, width, 4) RGBA of 0 to 255. Unknown names raise ValueError or KeyError.
    """
    glyph = _glyph(name, colour)
    scale = side / max(glyph.size)
    width, height = (max(1, round(length * scale)) for length in glyph.size)
    pixels = np.array(glyph.resize((width, height), Image.Resampling.LANCZOS))
    pixels[pixels[..., 3] < 24] = 0  # an invisible fringe would count as drawn
    return pixels


@lru_cache(maxsize=20_000)
def sticker(name: str, colour: str | None, side: int, border: int = 3) -> NDArray[np.uint8]:
    """The sprite with a white outline `border` pixels wide: (height, width, 4) RGBA, 0 to 255."""
    inner = np.pad(sprite(name, colour, side), ((border, border), (border, border), (0, 0)))
    alpha = inner[..., 3]
    reach = range(-border, border + 1)
    shifts = [(y, x) for y in reach for x in reach if y * y + x * x <= border * border + 1]
    outline = np.max([np.roll(alpha, shift, (0, 1)) for shift in shifts], axis=0)
    cover = alpha[..., None] / np.float32(255)
    colours = inner[..., :3] * cover + 255 * (1 - cover)
    return np.concatenate([colours.round().astype(np.uint8), outline[..., None]], axis=-1)
