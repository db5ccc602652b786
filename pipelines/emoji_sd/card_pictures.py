"""The pictures of a model card: a sheet of what was drawn, and the curve of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from crossattn.pipelines.emoji_sd.checkpoint import write_atomically
from crossattn.pipelines.emoji_sd.scenes import SIDE


def draw_sheet(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Lay pictures out in rows of eight, as a JPEG."""
    cell = SIDE + 2
    sheet = Image.new("RGB", (8 * cell, -(-len(pictures) // 8) * cell), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, 8)
        sheet.paste(Image.fromarray(picture), (column * cell + 1, row * cell + 1))
    write_atomically(path, lambda beside: sheet.save(beside, "JPEG", quality=90))


def draw_curve(path: Path, log: Sequence[Mapping[str, float]]) -> None:
    """Draw loss (logarithmic) against samples seen as a PNG of 720×360 pixels."""
    width, height, left, bottom, edge = 720, 360, 64, 40, 28
    image = Image.new("RGB", (width, height), "white")
    pen, face = ImageDraw.Draw(image), ImageFont.load_default(13)
    samples = np.array([entry["samples"] for entry in log])
    losses = np.log10([entry["loss"] for entry in log])
    low, high = float(losses.min()) - 0.03, float(losses.max()) + 0.03

    def spot(sample: float, loss: float) -> tuple[float, float]:
        across = left + (width - left - edge) * sample / samples.max()
        return across, edge + (height - bottom - edge) * (high - loss) / (high - low)

    for share in np.linspace(0, 1, 5):
        loss, sample = low + (high - low) * share, samples.max() * share
        (x0, y), (x1, _) = spot(0, loss), spot(samples.max(), loss)
        pen.line((x0, y, x1, y), fill="#dddddd")
        pen.text((x0 - 8, y), f"{10**loss:.2f}", fill="#555555", font=face, anchor="rm")
        x, y = spot(sample, low)
        pen.text((x, y + 8), f"{sample / 1000:.0f} k", fill="#555555", font=face, anchor="mt")
    points = [spot(s, v) for s, v in zip(samples.tolist(), losses.tolist(), strict=True)]
    pen.line(points, fill="#2b6cb0", width=2)
    title = "loss of the denoiser, by samples seen"
    pen.text((width - edge, 8), title, fill="#222222", font=face, anchor="rt")
    write_atomically(path, lambda beside: image.save(beside, "PNG", optimize=True))
