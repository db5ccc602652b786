"""A picture that somebody brings along: the words of its caption are found in it."""

from typing import TYPE_CHECKING, Any

from PIL import Image

from crossattn.errors import InputError
from crossattn.pipelines.existing import trace_picture
from crossattn.pipelines.invert import fitted
from crossattn.ui.browser.bounds import LONGEST_SIDE
from crossattn.ui.browser.drawing import from_data_url
from crossattn.ui.browser.model_settings import settings_of
from crossattn.ui.browser.payload import maps_of

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

MULTIPLE = 16
"""Pixels that the sides of a picture are multiples of, in every model that is offered."""


def read_own(url: str) -> Image.Image:
    """The picture of a data URL; raises `InputError` for what is none, or too large."""
    try:
        picture = from_data_url(url)
    except (OSError, ValueError) as error:
        raise InputError(
            "That file is not a picture that can be read; bring a PNG or JPEG."
        ) from error
    if max(picture.size) > LONGEST_SIDE:
        raise InputError(
            f"The picture has {picture.width} × {picture.height} pixels; bring one of "
            f"at most {LONGEST_SIDE} a side."
        )
    return picture


def look_into(picture: Image.Image, caption: str, model: str, pipe: "Pipeline") -> dict[str, Any]:
    """All that the page shows of a picture that was not made here (see `payload.describe`).

    It is looked into at about the size that the model draws; `caption` names what is to be found.
    """
    size = fitted(picture.size, settings_of(model).side ** 2, MULTIPLE)
    trace = trace_picture(pipe, picture.resize(size), caption)
    return {
        **maps_of(trace),
        "own": True,
        "width": picture.width,
        "height": picture.height,
        "stem": "own-picture",
        "notes": [],
        "report": [],
        "regions": [],
        "excite": None,
        "source": [],
        "code": {},
    }
