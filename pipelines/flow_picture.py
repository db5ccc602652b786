"""The picture of how words mix in a text encoder: a square of shares, word by word."""

import numpy as np
from PIL import Image, ImageDraw

from crossattn.flow import Flow
from crossattn.pipelines.sheets import (
    INK,
    MARGIN,
    MUTED,
    NOTE_SIZE,
    PAPER,
    TITLE_SIZE,
    Font,
    typeface,
    wrapped,
)

CELL, LABEL_SIZE = 56, 16
# Light for little, dark for much: numbers stand on it.
LITTLE, MUCH = np.array((238, 241, 246)), np.array((38, 70, 120))


def flow_picture(flow: Flow) -> Image.Image:
    """Draw `Flow.words`: a row for each word, a column for each thing it came from, in percent."""
    shares = flow.words().numpy()
    names = [flow.prompt.words[index].text for index in flow.read]
    faces = [typeface(LABEL_SIZE, name) for name in ("start", *names)]
    room = (
        max(
            round(face.getlength(name)) for face, name in zip(faces, ("start", *names), strict=True)
        )
        + 16
    )
    title = typeface(TITLE_SIZE, flow.prompt.text)
    width = max(MARGIN + room + CELL * shares.shape[1] + MARGIN, 560)
    lines = wrapped(flow.prompt.text, title, width - 2 * MARGIN)
    left, top = MARGIN + room, MARGIN + len(lines) * (TITLE_SIZE + 8) + 12 + room
    page = Image.new("RGB", (width, top + CELL * len(names) + 28 + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + number * (TITLE_SIZE + 8)), line, INK, title)
    for column, (name, face) in enumerate(zip(("start", *names), faces, strict=True)):
        middle = left + CELL * column + CELL // 2
        _upright(page, name, face, middle, top - 10, INK if column else MUTED)
    for row, (name, face, line) in enumerate(zip(names, faces[1:], shares, strict=True)):
        y = top + CELL * row
        draw.text((left - 12, y + CELL // 2), name, INK, face, anchor="rm")
        # What comes later is not drawn: no word can come from it.
        for column, share in enumerate(line[: row + 2]):
            x = left + CELL * column
            depth = float(share) ** 0.5
            colour = tuple(int(c) for c in LITTLE + (MUCH - LITTLE) * depth)
            draw.rectangle((x + 1, y + 1, x + CELL - 2, y + CELL - 2), colour)
            ink = PAPER if depth > 0.68 else INK
            centre = (x + CELL // 2, y + CELL // 2)
            draw.text(centre, f"{share:.0%}", ink, typeface(14), anchor="mm")
    told = f"{flow.encoder}: each row is what a word is made of; start is the token before all"
    draw.text((MARGIN, page.height - MARGIN), told, MUTED, typeface(NOTE_SIZE), anchor="ls")
    return page


def _upright(
    page: Image.Image, text: str, face: Font, x: int, bottom: int, ink: tuple[int, int, int]
) -> None:
    """Write upwards, centred on `x`, ending at `bottom`."""
    strip = Image.new("RGB", (round(face.getlength(text)) + 4, 26), PAPER)
    ImageDraw.Draw(strip).text((2, 13), text, ink, face, anchor="lm")
    strip = strip.rotate(90, expand=True)
    page.paste(strip, (x - strip.width // 2, bottom - strip.height))
