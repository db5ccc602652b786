"""Masks as people paint them: pictures of any kind, read as places that are inside or not."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from crossattn.errors import InputError
from crossattn.pipelines.picture import opened

COLOURFUL = 48
"""A colour whose channels (0 to 255) are further apart than this is no black, grey or white."""

ALIKE = 24
"""Paint whose channels (0 to 255) vary by no more than this is of one colour."""


def read_mask(path: Path, *, empty: bool = False) -> np.ndarray:
    """Read the mask that a picture shows as bool (height, width): white inside, dark outside.

    What is transparent is outside; paint of one colour on a transparent ground, or without any
    white, is inside. Of two greys the lighter is inside, however dark: masks of 0 and 1 are read
    too. Raises InputError if the picture cannot be read, nothing in it is inside (unless it may be
    `empty`), or its colours do not say what is.
    """
    with opened(path) as image:
        upright: Image.Image = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I") or upright.mode == "F":
            inside = _light(np.nan_to_num(np.asarray(upright, dtype=np.float64)))
        else:
            inside = _painted(upright.convert("RGBA"), path)
    if not inside.any() and not empty:
        raise InputError(
            f"{path} is not a mask: expected white where the word may be and black or nothing "
            "elsewhere, and found no white and no paint."
        )
    return inside


def _painted(image: Image.Image, path: Path) -> np.ndarray:
    """What is inside of an RGBA picture."""
    opaque = np.asarray(image.getchannel("A")) >= 128
    if not opaque.all():
        paint = np.asarray(image.convert("RGB"))[opaque]
        if not len(paint) or (np.ptp(paint, axis=0) <= ALIKE).all():
            return opaque
        black = Image.new("RGBA", image.size, "black")
        white = np.asarray(Image.alpha_composite(black, image).convert("L")) >= 128
        return white if white.any() else opaque
    # Photographs have more colours than this, and are read by their light.
    colours = [colour for _, colour in image.convert("RGB").getcolors(256) or ()]
    if len(colours) > 2 and any(np.ptp(colour) > COLOURFUL for colour in colours):
        raise InputError(
            f"{path} is not a mask: it has several colours, and which of them is inside cannot be "
            "told; paint the place white and the rest black."
        )
    return _light(np.asarray(image.convert("L")))


def _light(values: np.ndarray) -> np.ndarray:
    """What is light in a picture of one channel, of whatever range."""
    low, high = values.min(), values.max()
    if low == high:
        return np.full(values.shape, bool(high))
    if not ((values > low) & (values < high)).any():
        return np.asarray(values == high)
    top = next((top for top in (1, 255, 65535) if high <= top), high)
    return np.asarray(values >= top / 2)
