"""From the regions of a recipe to the controls that hold words to them."""

from collections.abc import Sequence

import torch

from crossattn.controls import Window
from crossattn.controls.regions import HoldRegions
from crossattn.pipelines.region_recipe import RegionRecipe

FULL_HOLD = 8.0
"""What `hold` 1 takes from a word's logits outside its region: almost all of its attention."""


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
