"""A picture that exists, and recipes of it, for the tests beside this module."""

from typing import Any

import numpy as np
from PIL import Image

from crossattn.pipelines.recipe import Recipe

CAPTION, TARGET = "a red car on grass", "a red cat on grass"


def a_picture(width: int = 64, height: int = 64) -> Image.Image:
    ramp = np.linspace(0, 255, height * width * 3).reshape(height, width, 3)
    ramp[height // 4 : height // 2, width // 4 : width // 2] = (200, 30, 30)
    return Image.fromarray(ramp.astype(np.uint8))


def recipe(photo: str, target: str | None = TARGET, **changes: Any) -> Recipe:
    picture = {"path": photo} | changes.pop("picture", {})
    how = None if target is None else {"prompt": target} | changes.pop("edit", {})
    asked = {"prompt": CAPTION, "steps": 3, "guidance": 2.0, "height": 64, "width": 64}
    return Recipe(picture=picture, edit=how, **(asked | changes))


def last(events: Any) -> Any:
    *_, found = events
    return found
