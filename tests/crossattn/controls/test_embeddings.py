"""Weights on embeddings mean what the systems that they come from mean by them."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crossattn.controls.support.embeddings import a1111, comfy, compel, difference

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


def test_the_difference_that_words_make_is_what_is_weighed() -> None:
    expected = EMPTY + (EMBEDS - EMPTY) * 1.5
    torch.testing.assert_close(difference(EMBEDS, [(EMPTY, 1.5)]), expected)
    both = expected - (EMBEDS - MASKED)
    torch.testing.assert_close(difference(EMBEDS, [(EMPTY, 1.5), (MASKED, 0.0)]), both)
    assert difference(EMBEDS, []) is EMBEDS


WEIGHINGS = {
    "a1111": lambda embeds, empty, weights, masked: a1111(embeds, weights),
    "comfy": lambda embeds, empty, weights, masked: comfy(embeds, empty, weights),
    "compel": lambda embeds, empty, weights, masked: compel(embeds, empty, weights, masked),
}


@pytest.mark.parametrize("weigh", WEIGHINGS.values(), ids=list(WEIGHINGS))
def test_weights_of_one_return_the_very_embeddings(weigh: Callable[..., Tensor]) -> None:
    half = EMBEDS.half()
    assert weigh(half, EMPTY.half(), torch.ones(7), []) is half


@pytest.mark.parametrize("weight", [0.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("weigh", WEIGHINGS.values(), ids=list(WEIGHINGS))
def test_weights_keep_the_precision_and_are_right_in_it(
    weigh: Callable[..., Tensor], dtype: torch.dtype, weight: float
) -> None:
    weights = torch.ones(7).index_fill(0, torch.tensor(2), weight)
    exact = [tensor.to(dtype).double() for tensor in (EMBEDS, EMPTY, MASKED)]
    given = [tensor.to(dtype) for tensor in exact]
    expected = weigh(*exact[:2], weights.double(), [(exact[2], weight)])
    weighted = weigh(*given[:2], weights, [(given[2], weight)])
    assert weighted.dtype == dtype
    # No more is lost than by rounding the outcome once, in half precision.
    rounding = torch.finfo(dtype).eps if dtype.itemsize < 4 else 1e-5
    torch.testing.assert_close(weighted.double(), expected, atol=1e-5, rtol=rounding)


def test_a_prompt_weighed_down_to_nothing_by_a1111_is_nothing() -> None:
    assert (a1111(EMBEDS, torch.zeros(7)) == 0).all()
