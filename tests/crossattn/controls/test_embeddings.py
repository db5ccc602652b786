"""Weights on embeddings mean what the systems that they come from mean by them."""

import math

import pytest
import torch

from crossattn.controls.support.embeddings import a1111, comfy, compel

GENERATOR = torch.Generator().manual_seed(0)
EMBEDS, EMPTY, MASKED = torch.randn(3, 7, 5, generator=GENERATOR) + 0.5
WEIGHTS = torch.tensor([1.0, 1.0, 1.3, 1.3, 1.0, 0.6, 1.0])


def test_a1111_multiplies_and_keeps_the_mean() -> None:
    weighted = a1111(EMBEDS, WEIGHTS)
    assert weighted.mean() == pytest.approx(float(EMBEDS.mean()), abs=1e-6)
    ratio = weighted / EMBEDS
    torch.testing.assert_close(ratio[2] / ratio[0], torch.full((5,), 1.3))
    torch.testing.assert_close(ratio[5] / ratio[0], torch.full((5,), 0.6))


def test_comfy_goes_away_from_the_empty_prompt() -> None:
    weighted = comfy(EMBEDS, EMPTY, WEIGHTS)
    torch.testing.assert_close(weighted - EMPTY, (EMBEDS - EMPTY) * WEIGHTS[:, None])
    assert torch.equal(weighted[0], EMBEDS[0])


def test_compel_blends_what_is_turned_down_with_the_prompt_without_it() -> None:
    part = math.tan(0.4 * math.pi / 2)
    plain = EMPTY + (EMBEDS - EMPTY) * WEIGHTS[:, None]
    masked = EMPTY + (MASKED - EMPTY) * WEIGHTS[:, None]
    expected = (plain + part * masked) / (1 + part)
    torch.testing.assert_close(compel(EMBEDS, EMPTY, WEIGHTS, [(MASKED, 0.6)]), expected)


def test_compel_at_weight_zero_is_the_prompt_without_the_word() -> None:
    weights = torch.ones(7)
    torch.testing.assert_close(
        compel(EMBEDS, EMPTY, weights, [(MASKED, 0.0)]), MASKED, atol=1e-4, rtol=1e-4
    )


def test_compel_turns_up_as_comfy_does() -> None:
    up = WEIGHTS.clamp(min=1)
    assert torch.equal(compel(EMBEDS, EMPTY, up), comfy(EMBEDS, EMPTY, up))


def test_weights_of_one_change_no_bit() -> None:
    ones = torch.ones(7)
    assert torch.equal(a1111(EMBEDS, ones), EMBEDS)
    assert torch.equal(comfy(EMBEDS, EMPTY, ones), EMBEDS)
    assert torch.equal(compel(EMBEDS, EMPTY, ones), EMBEDS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_compel_at_weight_zero_stays_finite_in_half_precision(dtype: torch.dtype) -> None:
    weights = torch.ones(7).index_fill(0, torch.tensor(2), 0)
    whole = compel(EMBEDS, EMPTY, weights, [(MASKED, 0.0)])
    half = compel(EMBEDS.to(dtype), EMPTY.to(dtype), weights, [(MASKED.to(dtype), 0.0)])
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), whole, atol=0.02, rtol=0.02)
