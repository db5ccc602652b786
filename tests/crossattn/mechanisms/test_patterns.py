"""Sparse patterns against flex_attention, and that they touch only what they list."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from crossattn.errors import ControlError
from crossattn.mechanisms import Pattern, attend, causal, scaled_dot, strided, top_k, window

Draw = Callable[..., Tensor]
Rule = Callable[[Tensor, Tensor], Tensor]


def flex(query: Tensor, key: Tensor, value: Tensor, rule: Rule) -> Tensor:
    lengths = query.shape[-2], key.shape[-2]
    blocks = create_block_mask(lambda _b, _h, i, j: rule(i, j), None, None, *lengths, device="cpu")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        result = flex_attention(query, key, value, block_mask=blocks)
    assert isinstance(result, Tensor)
    return result


CASES = {
    "window": (window(40, 40, 3), lambda i, j: (i - j).abs() <= 3),
    "window of unequal lengths": (window(40, 30, 12), lambda i, j: (i - j).abs() <= 12),
    "window wider than the keys": (window(40, 30, 50), lambda i, j: (i - j).abs() <= 50),
    "causal window": (window(40, 40, 3).causal(), lambda i, j: (i - j <= 3) & (j <= i)),
    "strided": (strided(40, 40, 6), lambda i, j: (i - j) % 6 == 0),
    "strided of unequal lengths": (strided(40, 31, 6), lambda i, j: (i - j) % 6 == 0),
    "causal strided": (strided(40, 40, 6).causal(), lambda i, j: ((i - j) % 6 == 0) & (j <= i)),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_pattern_equals_flex_attention_and_its_own_dense_mask(draw: Draw, case: str) -> None:
    pattern, rule = CASES[case]
    keys = pattern.keys
    query, key, value = draw(2, 3, 40, 8), draw(2, 3, keys, 8), draw(2, 3, keys, 8)

    output, weights = attend(query, key, value, mask=pattern)

    dense_output, dense_weights = attend(query, key, value, mask=pattern.dense())
    expected = flex(query, key, value, rule)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(dense_output, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(pattern.spread(weights), dense_weights, rtol=0, atol=1e-10)


def test_the_causal_mask_equals_flex_attention(draw: Draw) -> None:
    query, key, value = draw(2, 3, 40, 8), draw(2, 3, 30, 8), draw(2, 3, 30, 8)

    output, _ = attend(query, key, value, mask=causal(40, 30))

    expected = flex(query, key, value, lambda i, j: j <= i)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)


def test_a_window_beyond_the_last_key_gives_zeros(draw: Draw) -> None:
    output, weights = attend(draw(9, 4), draw(3, 4), draw(3, 4), mask=window(9, 3, 2))

    assert not output[5:].any()
    assert not weights[5:].any()
    assert output[:5].any(-1).all()


def test_top_k_equals_masking_all_but_the_best_scores(draw: Draw) -> None:
    query, key, value = draw(2, 3, 11, 8), draw(2, 3, 9, 8), draw(2, 3, 9, 8)

    pattern = top_k(query, key, 4)
    output, weights = attend(query, key, value, mask=pattern)

    scores = scaled_dot(query, key)
    kept = scores >= scores.sort(-1).values[..., -4:-3]
    expected, dense_weights = attend(query, key, value, mask=kept)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(pattern.spread(weights), dense_weights, rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [9, 100])
def test_top_k_of_every_key_is_full_attention(draw: Draw, count: int) -> None:
    query, key, value = draw(2, 3, 11, 8), draw(2, 3, 9, 8), draw(2, 3, 9, 8)

    output, _ = attend(query, key, value, mask=top_k(query, key, count))

    torch.testing.assert_close(output, attend(query, key, value)[0], rtol=0, atol=1e-10)


def test_top_k_chooses_among_the_allowed_keys_only(draw: Draw) -> None:
    query, key = draw(2, 3, 6, 8), draw(2, 3, 6, 8)

    pattern = top_k(query, key, 3, mask=causal(6, 6))

    assert torch.equal(pattern.dense().sum(-1), torch.tensor([1, 2, 3, 3, 3, 3]).expand(2, 3, 6))
    assert not (pattern.dense() & ~causal(6, 6)).any()


def test_top_k_of_many_query_heads_reads_one_shared_key_head(draw: Draw) -> None:
    query, key, value = draw(2, 3, 6, 8), draw(2, 1, 5, 8), draw(2, 1, 5, 8)

    output, _ = attend(query, key, value, mask=top_k(query, key, 2))

    alone, _ = attend(query[1, 2], key[1, 0], value[1, 0], mask=top_k(query[1, 2], key[1, 0], 2))
    torch.testing.assert_close(output[1, 2], alone, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: window(4, 4, -1), "radius must be 0 or more"),
        (lambda: strided(4, 4, 0), "stride must be 1 position or more"),
        (lambda: top_k(torch.ones(4, 2), torch.ones(4, 2), 0), "keep 1 key or more"),
    ],
)
def test_an_empty_pattern_is_refused(make: Callable[[], Pattern], message: str) -> None:
    with pytest.raises(ControlError, match=message):
        make()
