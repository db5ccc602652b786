"""Sheets of pictures for people: a tile for each word, laid out with labels, still or moving."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np

# WebP is named so that Pillow need not load all of its formats to find it.
from PIL import Image, ImageDraw, ImageFont, WebPImagePlugin  # noqa: F401

from crossattn.heatmap import inferno

PAPER, INK, MUTED, LINE = (250, 250, 248), (32, 33, 36), (128, 130, 136), (222, 222, 218)
TILE, GAP, MARGIN = 256, 20, 36
TITLE_SIZE, LABEL_SIZE, NOTE_SIZE = 24, 18, 15
LABEL_ROOM = 34

# Pillow's own font has plain Latin letters alone; these have more, where they are installed.
OTHER_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial.ttf",
    "Arial Unicode.ttf",
    "msyh.ttc",
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Tile:
    """A picture with the words under it: a label at the left, a note at the right."""

    image: Image.Image
    label: str
    note: str = ""


def enlarged(picture: Image.Image, side: int = 384) -> Image.Image:
    """Return a picture whose longer side has at least `side` pixels, by a whole factor."""
    factor = math.ceil(side / max(picture.size))
    if factor <= 1:
        return picture
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.LANCZOS
    )


def fitted(picture: Image.Image, side: int = TILE) -> Image.Image:
    """Return a picture whose longer side has `side` pixels, up or down."""
    scale = side / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.resize(size, Image.Resampling.LANCZOS)


def contact_sheet(
    tiles: Sequence[Tile],
    *,
    title: str,
    footer: str,
    share: float | None = None,
    columns: int | None = None,
    scale: bool = True,
) -> Image.Image:
    """Lay tiles of one size out in rows, with a title, a footer and the colours' meaning.

    `share`, from 0 to 1, draws how far a run has come under the title; `columns` is chosen to fit
    unless given; without `scale` no colours are explained.
    """
    width, height = tiles[0].image.size
    columns = columns or _columns(len(tiles), width / (height + LABEL_ROOM))
    rows = math.ceil(len(tiles) / columns)
    page_width = max(2 * MARGIN + columns * (width + GAP) - GAP, 560)
    face = typeface(TITLE_SIZE, title)
    lines = wrapped(title, face, page_width - 2 * MARGIN)
    top = MARGIN + len(lines) * (TITLE_SIZE + 8) + 20
    page_height = top + rows * (height + LABEL_ROOM + GAP) + 14 + MARGIN
    page = Image.new("RGB", (page_width, page_height), PAPER)
    draw = ImageDraw.Draw(page)

    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + number * (TITLE_SIZE + 8)), line, INK, face)
    if share is not None:
        _draw_share(draw, MARGIN, top - 14, page_width - 2 * MARGIN, share)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        x = MARGIN + column * (width + GAP)
        y = top + row * (height + LABEL_ROOM + GAP)
        _draw_tile(page, draw, tile, x, y)
    _draw_footer(page, draw, footer, page_height - MARGIN - 4, scale)
    return page


def film(frames: Sequence[Image.Image], *, milliseconds: int = 420) -> bytes:
    """Return frames as an animated WebP that runs for ever and rests on the last."""
    file = BytesIO()
    durations = [milliseconds] * (len(frames) - 1) + [4 * milliseconds]
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=durations,
        loop=0,
        quality=82,
        method=2,
    )
    return file.getvalue()


def _columns(count: int, shape: float) -> int:
    """The number of columns that leaves few holes and a page a little wider than high."""

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        holes = (rows * columns - count) / count
        return holes + abs(math.log(columns * shape / rows / 1.6))

    return min(range(1, min(count, 8) + 1), key=cost)


def _draw_tile(page: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, x: int, y: int) -> None:
    width, height = tile.image.size
    page.paste(tile.image, (x, y))
    label, note = typeface(LABEL_SIZE, tile.label), typeface(NOTE_SIZE, tile.note)
    room = width - (note.getlength(tile.note) + 10 if tile.note else 0)
    baseline = y + height + 25
    draw.text((x, baseline), _cut(tile.label, label, room), INK, label, anchor="ls")
    draw.text((x + width, baseline), tile.note, MUTED, note, anchor="rs")


def _draw_share(draw: ImageDraw.ImageDraw, x: int, y: int, width: int, share: float) -> None:
    draw.rectangle((x, y, x + width, y + 3), LINE)
    draw.rectangle((x, y, x + round(width * share), y + 3), INK)


def _draw_footer(
    page: Image.Image, draw: ImageDraw.ImageDraw, text: str, baseline: int, scale: bool
) -> None:
    left = page.width - MARGIN
    if scale:
        left = _draw_scale(page, draw, baseline) - 20
    font = typeface(NOTE_SIZE, text)
    draw.text((MARGIN, baseline), _cut(text, font, left - MARGIN), MUTED, font, anchor="ls")


def _draw_scale(page: Image.Image, draw: ImageDraw.ImageDraw, baseline: int) -> int:
    """The colours of attention, at the right; returns where they begin."""
    font = typeface(NOTE_SIZE)
    less, more, bar = "less", "more attention", 120
    right = page.width - MARGIN
    left = right - round(font.getlength(more)) - 10 - bar
    draw.text((right, baseline), more, MUTED, font, anchor="rs")
    draw.text((left - 10, baseline), less, MUTED, font, anchor="rs")
    scale = np.broadcast_to(inferno(np.linspace(0, 1, bar)).astype(np.uint8), (9, bar, 3))
    page.paste(Image.fromarray(np.ascontiguousarray(scale)), (left, baseline - 10))
    return left - round(font.getlength(less))


def wrapped(text: str, font: Font, width: float, most: int = 4) -> list[str]:
    """Break a text into at most so many lines that fit a width in pixels; the rest is cut off."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [_cut(line, font, width) for line in lines]


def _cut(text: str, font: Font, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(256)
def typeface(size: int, text: str = "") -> Font:
    """A font of a size in pixels: Pillow's own, or one of the system where that lacks letters."""
    font = ImageFont.load_default(size)
    lacking = _lacks(font, text)
    for name in OTHER_FONTS if lacking else ():
        with suppress(OSError):
            other = ImageFont.truetype(name, size)
            if _lacks(other, text) < lacking:
                font, lacking = other, _lacks(other, text)
    return font


def _lacks(font: Font, text: str) -> int:
    """How many of a text's characters a font has no picture for."""
    none = _drawn(font, "\uffff")
    return sum(_drawn(font, letter) == none for letter in set(text) if not letter.isspace())


def _drawn(font: Font, letter: str) -> bytes:
    picture = Image.new("L", (64, 64))
    ImageDraw.Draw(picture).text((16, 16), letter, 255, font)
    return picture.tobytes()
