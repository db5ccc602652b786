"""From the regions of a recipe to the controls that hold words to them, and to their masks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from torch import Tensor

from crossattn.controls import Box, Window
from crossattn.controls.regions import HoldRegions
from crossattn.errors import ControlError
from crossattn.pipelines.mask_picture import read_mask
from crossattn.pipelines.region_recipe import RegionRecipe
from crossattn.word_spans import quoted
from crossattn.words import Prompt

FULL_HOLD = 8.0
"""What `hold` 1 takes from a word's logits outside its region: almost all of its attention."""

GRID = 64
"""Rows and columns of the masks made here: as fine as any attention at 512 × 512 pixels."""


def region_controls(regions: Sequence[RegionRecipe], prompt: Prompt) -> list[HoldRegions]:
    """The controls that hold words to their regions; none for a word that is left free.

    A word with several regions is held to all of them together. Raises WordNotFoundError for a
    word that the prompt lacks, and ControlError for a region that is the whole picture and for
    several of one word that are held differently.
    """
    acting = [one for one in regions if one.hold and one.window[0] < one.window[1]]
    of_word: dict[str, list[RegionRecipe]] = {}
    for one in acting:
        if all("." not in row for row in one.mask):
            raise ControlError(
                f"The region of {quoted(one.word)} is the whole picture, which holds it to "
                "nothing; give a smaller one."
            )
        for word in prompt.named(one.word):
            of_word.setdefault(prompt.name_of(word), []).append(one)
    shared = {name for name, several in of_word.items() if len(several) > 1}
    controls = []
    for one in acting:
        names = [prompt.name_of(word) for word in prompt.named(one.word)]
        left = [name for name in names if name not in shared]
        held = [one.word] if len(left) == len(names) else left
        if held:
            controls.append(_hold(dict.fromkeys(held, mask_of(one.mask)), one))
    for name in of_word:
        if name in shared:
            controls += _hold_together(name, of_word[name])
    return controls


def _hold_together(name: str, regions: Sequence[RegionRecipe]) -> Iterator[HoldRegions]:
    """Hold a word to the union of several regions; not at all if that is the whole picture."""
    if len({(one.hold, one.window) for one in regions}) > 1:
        raise ControlError(
            f"{quoted(name)} has several regions that are held differently; give them the same "
            "hold and window."
        )
    masks = [mask_of(one.mask) for one in regions]
    size = max(mask.shape[0] for mask in masks), max(mask.shape[1] for mask in masks)
    fitted = [F.interpolate(mask[None, None].float(), size=size)[0, 0].bool() for mask in masks]
    union = torch.stack(fitted).any(0)
    if not union.all():
        yield _hold({name: union}, regions[0])


def _hold(masks: Mapping[str, Tensor], like: RegionRecipe) -> HoldRegions:
    return HoldRegions(masks, strength=FULL_HOLD * like.hold, window=Window(*like.window))


def mask_of(rows: Sequence[str]) -> Tensor:
    """A mask as a recipe has it, rows of # and ., as bool (height, width)."""
    return torch.tensor([[mark == "#" for mark in row] for row in rows])


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


def picture_rows(path: Path, *, empty: bool = False) -> tuple[str, ...]:
    """The mask that a picture shows, white where the word may be, as a recipe has it.

    Raises InputError as `read_mask` does.
    """
    inside = Image.fromarray(read_mask(path, empty=empty).astype(np.float32))
    inside.thumbnail((GRID, GRID), Image.Resampling.BOX)
    shares = np.asarray(inside)
    # What is small or thin covers no place by half, and counts where it covers most around it.
    return _rows((shares >= 0.5) | ((shares > 0) & (shares >= _most_around(shares) / 2)))


def _most_around(shares: np.ndarray) -> np.ndarray:
    """The largest of each place and its eight neighbours."""
    padded = np.pad(shares, 1)
    return np.asarray(sliding_window_view(padded, (3, 3)).max(axis=(-2, -1)))


def _rows(inside: np.ndarray) -> tuple[str, ...]:
    return tuple("".join("#" if mark else "." for mark in row) for row in inside)
