"""Controls of one prompt: weights, regions, sparse attention, exciting words."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattn import Attention, Control, ControlError, LayerCall, attach
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


def run(pipe: Any, *controls: Control, prompt: Any = PROMPT, **settings: Any) -> Tensor:
    settings = {"num_inference_steps": 3, "height": 64, "width": 64} | settings
    generator = torch.Generator().manual_seed(1)
    with attach(pipe, *controls, prompt=prompt if controls else None):
        return pipe(prompt, generator=generator, output_type="latent", **settings).images


class Maps(Control):
    """Keeps the conditional probabilities (heads, pixels, tokens) of the last call it saw."""

    def attend(self, call: LayerCall, attention: Attention) -> None:
        self.probs = attention.probabilities(call.step.rows.positive[0])
        self.output = attention.output()


def test_a_weight_multiplies_a_words_attention_and_nothing_else(sd_pipe: Any) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, before, Reweight({"car": 2.5}), after)
    balloon = sd_pipe.tokenizer.model_max_length
    expected = before.probs.clone()
    expected[..., 3] *= 2.5
    torch.testing.assert_close(after.probs, expected)
    assert after.probs.shape[-1] == balloon


def test_a_normalised_weight_keeps_the_sum(sd_pipe: Any) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, before, Reweight({"car": 2.5}, normalised=True), after)
    expected = before.probs.clone()
    expected[..., 3] *= 2.5
    torch.testing.assert_close(after.probs, expected / expected.sum(-1, keepdim=True))


def test_weights_written_into_the_prompt_count(sd_pipe: Any) -> None:
    from crossattn import read_prompt

    written = read_prompt("a red (car:2.5) left of a blue balloon", {"clip": sd_pipe.tokenizer})
    settings = {"num_inference_steps": 3, "height": 64, "width": 64, "output_type": "latent"}
    with attach(sd_pipe, Reweight(), prompt=written):
        read = sd_pipe(written.text, generator=torch.Generator().manual_seed(1), **settings).images
    assert torch.equal(read, run(sd_pipe, Reweight({"car": 2.5})))


def test_words_of_a_weighting_may_have_windows_of_their_own(sd_pipe: Any) -> None:
    whole = run(sd_pipe, Reweight({"car": 2.0}))
    early = run(sd_pipe, Reweight({"car": 2.0}, words={"car": Window(0, 0.5)}))
    assert not torch.equal(whole, early)


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf, 1e308, -1.0])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ControlError, match='expected a number from 0 to 10 for "car"'):
        Reweight({"car": weight}, normalised=True)
    with pytest.raises(ControlError, match="expected a number"):
        PaintRegions({"car": Box(0, 0, 1, 1)}, weight=math.nan)


def test_words_may_be_weighed_down_to_nothing(sd_pipe: Any) -> None:
    for normalised in (False, True):
        after = Maps()
        nothing = dict.fromkeys(PROMPT.split(), 0.0)
        assert run(sd_pipe, Reweight(nothing, normalised=normalised), after).isfinite().all()
        assert (after.probs[..., 1:11] == 0).all()


@pytest.mark.parametrize(
    "mask",
    [torch.zeros(4, 4), torch.ones(4), torch.full((4, 4), 2.0), torch.full((4, 4), math.nan)],
)
def test_a_mask_that_is_none_is_refused(mask: Tensor) -> None:
    with pytest.raises(ControlError, match="mask \\(height, width\\) from 0 to 1"):
        HoldRegions({"car": mask})


@pytest.mark.parametrize("bounds", [(0.5, 0.4), (-0.1, 1), (0, 1.1), (math.nan, 1), (0, math.nan)])
def test_a_window_out_of_order_or_range_is_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ControlError, match="expected two shares of the schedule"):
        Window(*bounds)
    with pytest.raises(ControlError, match="expected two noise levels"):
        Window.sigma(high=1, low=2)


def test_a_word_held_to_a_box_gets_no_attention_outside(sd_pipe: Any) -> None:
    after = Maps()
    run(sd_pipe, HoldRegions({"blue balloon": Box(0.5, 0, 1, 1)}), after, height=48, width=80)
    phrase = after.probs[..., 7:11].sum(-1).mean(0).view(3, 5)
    assert (phrase[:, :2] == 0).all() and (phrase[:, 3:] > 0).all()
    assert after.output.isfinite().all()


def test_a_region_smaller_than_a_pixel_still_holds(sd_pipe: Any) -> None:
    after = Maps()
    mask = torch.zeros(64, 64)
    mask[63, 63] = 1
    run(sd_pipe, HoldRegions({"car": mask}), after)
    car = after.probs[..., 3].mean(0).view(4, 4)
    assert car[3, 3] > 0 and car.sum() == car[3, 3]


def test_paint_raises_a_words_attention_where_it_is_painted(sd_pipe: Any) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, before, PaintRegions({"car": Box(0, 0, 0.5, 1)}, weight=20), after)
    gain = (after.probs - before.probs)[..., 3].mean(0).view(4, 4)
    assert (gain[:, :2] > 0).all()
    torch.testing.assert_close(gain[:, 2:], torch.zeros(4, 2))


@pytest.mark.parametrize("corners", [(0.5, 0, 0.5, 1), (0, 0, 1.5, 1), (0, math.nan, 1, 1)])
def test_a_box_that_is_none_is_refused(corners: Any) -> None:
    with pytest.raises(ControlError, match="expected left < right"):
        Box(*corners)


def test_top_k_leaves_each_pixel_its_strongest_tokens(sd_pipe: Any) -> None:
    before, after = Maps(), Maps()
    run(sd_pipe, before, TopK(5), after)
    assert ((after.probs > 0).sum(-1) == 5).all()
    torch.testing.assert_close(after.probs.sum(-1), torch.ones_like(after.probs.sum(-1)))
    kept = after.probs > 0
    assert before.probs[kept].min() >= 0
    assert (before.probs.masked_fill(~kept, 0).sum(-1) >= before.probs.topk(4).values.sum(-1)).all()


def test_a_pixel_shut_out_of_all_that_it_was_left_attends_to_nothing(sd_pipe: Any) -> None:
    after = Maps()
    held = HoldRegions(dict.fromkeys(["car", "red", "balloon"], Box(0.5, 0, 1, 1)))
    picture = run(sd_pipe, Reweight({"car": 10.0, "red": 10.0}), TopK(1), held, after)
    assert picture.isfinite().all() and after.probs.isfinite().all()
    words = after.probs[..., [2, 3]].sum(-1).view(-1, 4, 4)
    assert (words[..., :2] == 0).all()


def test_mutual_self_attention_changes_the_target_alone(sd_pipe: Any) -> None:
    prompts = ["a red car", "a blue car"]
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1)
    plain = run(sd_pipe, prompt=prompts, latents=noise)
    edited = run(sd_pipe, MutualSelfAttention(), prompt=prompts, latents=noise)
    assert torch.equal(plain[0], edited[0])
    assert not torch.equal(plain[1], edited[1])
    with pytest.raises(ControlError, match="chose no self-attention site"):
        run(sd_pipe, MutualSelfAttention(sites=lambda site: False), prompt=prompts)
