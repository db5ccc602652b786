"""From the regions of a recipe to the controls that hold words to them, and to their masks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crossattn.controls import Box, Window
from crossattn.controls.regions import HoldRegions
from crossattn.errors import InputError
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.region_recipe import RegionRecipe
from crossattn.words import Prompt

FULL_HOLD = 8.0
"""What `hold` 1 takes from a word's logits outside its region: almost all of its attention."""

GRID = 64
"""Rows and columns of the masks made here: as fine as any attention at 512 × 512 pixels."""


def region_controls(regions: Sequence[RegionRecipe]) -> list[HoldRegions]:
    """The controls that hold words to their regions; none for a word that is left free."""
    return [
        HoldRegions(
            {one.word: torch.tensor([[mark == "#" for mark in row] for row in one.mask])},
            strength=FULL_HOLD * one.hold,
            window=Window(*one.window),
        )
        for one in regions
        if one.hold and one.window[0] < one.window[1]
    ]


def target_regions(
    regions: Sequence[RegionRecipe], source: Prompt, target: Prompt
) -> list[RegionRecipe]:
    """The regions whose words the target of an edit has.

    Raises WordNotFoundError for a word that neither prompt has.
    """
    for one in regions:
        if one.word not in source:
            target.named(one.word)
    return [one for one in regions if one.word in target]


def box_rows(left: float, top: float, right: float, bottom: float) -> tuple[str, ...]:
    """The mask of a box in shares of the picture's width and height, as a recipe has it.

    Raises ControlError unless left < right and top < bottom, each from 0 to 1.
    """
    inside = Box(left, top, right, bottom).mask(GRID, GRID).numpy()
    # A box smaller than a place of the grid is the place that has most of it.
    return _rows(inside >= min(0.5, inside.max()))


def picture_rows(path: Path) -> tuple[str, ...]:
    """The mask that a picture shows, white where the word may be, as a recipe has it.

    Raises InputError if it cannot be read or nothing in it is white.
    """
    grey = read_picture(path).convert("L")
    grey.thumbnail((GRID, GRID), Image.Resampling.BOX)
    inside = np.asarray(grey) >= 128
    if not inside.any():
        raise InputError(f"{path} is no mask: expected white where the word may be, all is dark.")
    return _rows(inside)


def _rows(inside: np.ndarray) -> tuple[str, ...]:
    return tuple("".join("#" if mark else "." for mark in row) for row in inside)
