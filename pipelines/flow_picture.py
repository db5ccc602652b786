"""The picture of how words mix in a text encoder: a square of shares, word by word."""

import numpy as np
from PIL import Image, ImageDraw

from crossattn.flow import Flow
from crossattn.pipelines.sheets import INK, MARGIN, MUTED, PAPER, TITLE_SIZE, typeface

CELL = 56
# Light for little, dark for much: numbers stand on it.
LITTLE, MUCH = np.array((238, 241, 246)), np.array((38, 70, 120))


def flow_picture(flow: Flow) -> Image.Image:
    """Draw `Flow.words`: a row for each word, a column for each thing it came from, in percent."""
    shares = flow.words().numpy()
    names = [flow.prompt.words[index].text for index in flow.read]
    label = typeface(16)
    room = max(80, *(round(label.getlength(name)) for name in names)) + 16
    left, top = MARGIN + room, MARGIN + TITLE_SIZE + 34 + room
    width = left + CELL * shares.shape[1] + MARGIN
    title = f"What each word is made of in {flow.encoder}"
    width = max(width, round(typeface(TITLE_SIZE).getlength(title)) + 2 * MARGIN)
    page = Image.new("RGB", (width, top + CELL * len(names) + MARGIN), PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN), title, INK, typeface(TITLE_SIZE))
    for column, name in enumerate(["start", *names]):
        middle = left + CELL * column + CELL // 2
        _upright(page, name, middle, top - 10, INK if column else MUTED)
    for row, (name, line) in enumerate(zip(names, shares, strict=True)):
        y = top + CELL * row
        draw.text((left - 12, y + CELL // 2), name, INK, label, anchor="rm")
        # What comes later is not drawn: no word can come from it.
        for column, share in enumerate(line[: row + 2]):
            x = left + CELL * column
            depth = float(share) ** 0.5
            colour = tuple(int(c) for c in LITTLE + (MUCH - LITTLE) * depth)
            draw.rounded_rectangle((x + 1, y + 1, x + CELL - 2, y + CELL - 2), 6, colour)
            ink = PAPER if depth > 0.68 else INK
            centre = (x + CELL // 2, y + CELL // 2)
            draw.text(centre, f"{share:.0%}", ink, typeface(14), anchor="mm")
    return page


def _upright(page: Image.Image, text: str, x: int, bottom: int, ink: tuple[int, int, int]) -> None:
    """Write upwards, centred on `x`, ending at `bottom`."""
    face = typeface(16)
    strip = Image.new("RGB", (round(face.getlength(text)) + 4, 26), PAPER)
    ImageDraw.Draw(strip).text((2, 13), text, ink, face, anchor="lm")
    strip = strip.rotate(90, expand=True)
    page.paste(strip, (x - strip.width // 2, bottom - strip.height))
