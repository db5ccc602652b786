"""Controls of one prompt: weights, sparse attention, windows."""

import math
from typing import Any

import pytest
import torch
from tiny_pictures import Maps, run

from crossattn import ControlError, attach, read_prompt
from crossattn.controls import (
    Box,
    HoldRegions,
    MutualSelfAttention,
    PaintRegions,
    Reweight,
    TopK,
    Window,
)

PROMPT = "a red car left of a blue balloon"
WRITTEN = "a red (car:{}) left of a blue balloon"


@pytest.mark.parametrize("normalised", [False, True])
def test_a_weight_multiplies_a_words_attention_and_nothing_else(
    sd_pipe: Any, normalised: bool
) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, PROMPT, before, Reweight({"car": 2.5}, normalised=normalised), after)
    for grid, probs in before.probs.items():
        expected = probs.clone()
        expected[..., 3] *= 2.5
        if normalised:
            expected /= expected.sum(-1, keepdim=True)
        torch.testing.assert_close(after.probs[grid], expected)


def test_weights_written_into_the_prompt_count(sd_pipe: Any) -> None:
    written = read_prompt(WRITTEN.format(2.5), {"clip": sd_pipe.tokenizer})
    with attach(sd_pipe, Reweight(), prompt=written):
        read = run(sd_pipe, PROMPT)
    assert torch.equal(read, run(sd_pipe, PROMPT, Reweight({"car": 2.5})))


def test_words_of_a_weighting_may_have_windows_of_their_own(sd_pipe: Any) -> None:
    early = Reweight({"car": 2.0}, words={"car": Window(0, 0.5)})
    pictures = [
        run(sd_pipe, PROMPT, control)
        for control in (early, Reweight({"car": 2.0}, window=Window(0, 0.5)))
    ]
    assert torch.equal(*pictures)
    assert {step for _, step in early.touched} == {0, 1}


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, 1e308, -1.0])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ControlError, match='expected a number from 0 to 10 for "car"'):
        Reweight({"car": weight}, normalised=True)
    with pytest.raises(ControlError, match="expected a number"):
        PaintRegions({"car": Box(0, 0, 1, 1)}, weight=math.nan)


def test_a_negative_weight_in_the_text_is_refused_in_the_words_of_one_by_name(sd_pipe: Any) -> None:
    written = read_prompt(WRITTEN.format(-1), {"clip": sd_pipe.tokenizer})
    with pytest.raises(ControlError) as by_name:
        Reweight({"car": -1.0}, normalised=True)
    with (
        pytest.raises(ControlError) as by_text,
        attach(sd_pipe, Reweight(normalised=True), prompt=written),
    ):
        raise AssertionError("must not be entered")
    assert str(by_text.value) == str(by_name.value)


@pytest.mark.parametrize("normalised", [False, True])
def test_words_may_be_weighed_down_to_nothing(sd_pipe: Any, normalised: bool) -> None:
    after = Maps()
    nothing = Reweight(dict.fromkeys(PROMPT.split(), 0.0), normalised=normalised)
    assert run(sd_pipe, PROMPT, nothing, after).isfinite().all()
    assert all((probs[..., 1:11] == 0).all() for probs in after.probs.values())


@pytest.mark.parametrize("weight", [2.5, 0.0, -1.0])
@pytest.mark.parametrize(
    "region",
    [
        PaintRegions({"balloon": Box(0, 0, 0.5, 1)}, weight=3.0),
        HoldRegions({"car": Box(0, 0, 0.5, 1)}),
        HoldRegions({"car": Box(0, 0, 0.5, 1)}, strength=2.0),
    ],
    ids=["Paint", "Hold", "Hold 2"],
)
def test_weights_and_regions_are_the_same_in_either_order(
    sharp_pipe: Any, weight: float, region: Any
) -> None:
    weights = Reweight({"car": weight})
    one = run(sharp_pipe, PROMPT, weights, region, steps=2)
    other = run(sharp_pipe, PROMPT, region, weights, steps=2)
    torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_top_k_leaves_each_pixel_its_strongest_tokens(sd_pipe: Any) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, PROMPT, before, TopK(5), after)
    for grid, probs in before.probs.items():
        fifth = probs.sort(descending=True).values[..., 4:5]
        kept = probs.where(probs >= fifth, 0)
        torch.testing.assert_close(after.probs[grid], kept / kept.sum(-1, keepdim=True))


def test_a_pixel_shut_out_of_all_that_it_was_left_attends_to_nothing(sd_pipe: Any) -> None:
    after = Maps()
    held = HoldRegions(dict.fromkeys(["car", "red", "balloon"], Box(0.5, 0, 1, 1)))
    picture = run(sd_pipe, PROMPT, Reweight({"car": 10.0, "red": 10.0}), TopK(1), held, after)
    assert picture.isfinite().all()
    for (_, width), probs in after.probs.items():
        assert probs.isfinite().all()
        assert (probs[:, :, : width // 2, [2, 3]] == 0).all()


def test_mutual_self_attention_without_a_site_is_refused(sd_pipe: Any) -> None:
    nowhere = MutualSelfAttention(sites=lambda site: False)
    with pytest.raises(ControlError, match="chose no self-attention site"):
        run(sd_pipe, ["a red car", "a blue car"], nowhere)


@pytest.mark.parametrize("bounds", [(0.5, 0.4), (-0.1, 1), (0, 1.1), (math.nan, 1), (0, math.nan)])
def test_a_window_out_of_order_or_range_is_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ControlError, match="expected two shares of the schedule"):
        Window(*bounds)
    with pytest.raises(ControlError, match="expected two noise levels"):
        Window.sigma(high=1, low=2)


@pytest.mark.parametrize("steps", [7, 50, 100])
def test_a_window_ends_at_the_step_that_its_share_names(steps: int) -> None:
    for step in range(steps + 1):
        # What a person would write: as many digits as it takes, the product a hair off or not.
        assert Window(0, step / steps).steps(steps) == range(step)
        assert Window(step / steps, 1).steps(steps) == range(step, steps)
    assert Window(0, 0.29).steps(100) == range(29)
