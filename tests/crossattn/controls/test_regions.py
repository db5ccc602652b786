"""Words held to regions, and painted into them."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_pictures import Maps, run
from torch import Tensor

from crossattn import ControlError
from crossattn.controls import Box, HoldRegions, PaintRegions
from crossattn.controls.regions import Region, fit, outside

PROMPT = "a red car left of a blue balloon"
LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1)


def test_a_word_held_to_a_box_gets_no_attention_outside(sd_pipe: Any) -> None:
    after = Maps()
    run(sd_pipe, PROMPT, HoldRegions({"blue balloon": RIGHT}), after, height=48, width=80)
    assert sorted(after.probs) == [(3, 5), (6, 10)]
    for (height, width), probs in after.probs.items():
        phrase = probs[..., 7:11].sum(-1)
        assert (phrase[..., : width // 2] == 0).all()
        assert (phrase[..., width // 2 :] > 0).all()
        assert after.output[height, width].isfinite().all()


def test_a_region_smaller_than_a_pixel_still_holds(sd_pipe: Any) -> None:
    after = Maps()
    mask = torch.zeros(64, 64)
    mask[63, 63] = 1
    run(sd_pipe, PROMPT, HoldRegions({"car": mask}), after)
    for probs in after.probs.values():
        car = probs[..., 3].mean(0)
        assert car[-1, -1] > 0 and car.sum() == car[-1, -1]


def drawn(left: float, top: float, right: float, bottom: float) -> Tensor:
    side = 120
    mask = torch.zeros(side, side)
    mask[round(top * side) : round(bottom * side), round(left * side) : round(right * side)] = 1
    return mask


@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_two_halves_cover_every_pixel_of_any_grid(height: int, width: int, across: bool) -> None:
    corners = [(0, 0, 0.5, 1), (0.5, 0, 1, 1)] if across else [(0, 0, 1, 0.5), (0, 0.5, 1, 1)]
    for make in (Box, drawn):
        regions: list[Region] = [make(*each) for each in corners]
        shut = [outside(fit(region, height, width)) for region in regions]
        assert not (shut[0] & shut[1]).any()


def test_paint_raises_a_words_attention_where_it_is_painted(sd_pipe: Any) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, PROMPT, before, PaintRegions({"car": LEFT}, weight=20), after)
    for grid, probs in before.probs.items():
        gain = (after.probs[grid] - probs)[..., 3].mean(0)
        half = grid[1] // 2
        assert (gain[:, :half] > 0).all()
        torch.testing.assert_close(gain[:, half:], torch.zeros_like(gain[:, half:]))


@pytest.mark.parametrize("corners", [(0.5, 0, 0.5, 1), (0, 0, 1.5, 1), (0, math.nan, 1, 1)])
def test_a_box_that_is_none_is_refused(corners: Any) -> None:
    with pytest.raises(ControlError, match="expected left < right"):
        Box(*corners)


@pytest.mark.parametrize(
    "mask",
    [torch.zeros(4, 4), torch.ones(4), torch.full((4, 4), 2.0), torch.full((4, 4), math.nan)],
)
def test_a_mask_that_is_none_is_refused(mask: Tensor) -> None:
    with pytest.raises(ControlError, match="mask \\(height, width\\) from 0 to 1"):
        HoldRegions({"car": mask})
