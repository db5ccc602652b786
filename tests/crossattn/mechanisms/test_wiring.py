"""Heads against torch's MultiheadAttention and its grouped-query attention."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crossattn.errors import ControlError
from crossattn.mechanisms import (
    attend,
    causal,
    grouped_query,
    merge_heads,
    multi_head,
    pool_heads,
    split_heads,
    window,
)

Draw = Callable[..., Tensor]


@pytest.mark.parametrize("mask", [None, causal(7, 5)], ids=["full", "causal"])
def test_multi_head_equals_torch_multihead_attention(draw: Draw, mask: Tensor | None) -> None:
    reference = torch.nn.MultiheadAttention(12, 3, batch_first=True, dtype=torch.float64)
    sequence, context = draw(2, 7, 12), draw(2, 5, 12)
    weights = reference.in_proj_weight.chunk(3)
    biases = reference.in_proj_bias.chunk(3)
    query, key, value = (
        functional.linear(x, weight, bias)
        for x, weight, bias in zip((sequence, context, context), weights, biases, strict=True)
    )

    output, attention = multi_head(query, key, value, heads=3, mask=mask)

    expected, expected_attention = reference(
        sequence,
        context,
        context,
        attn_mask=None if mask is None else ~mask,
        average_attn_weights=False,
    )
    torch.testing.assert_close(reference.out_proj(output), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(attention, expected_attention, rtol=0, atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_grouped_query_equals_torch(draw: Draw, groups: int) -> None:
    query, key, value = draw(2, 6, 7, 8), draw(2, groups, 5, 8), draw(2, groups, 5, 4)

    output, weights = grouped_query(query, key, value)

    expected = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)
    assert weights.shape == (2, 6, 7, 5)


def test_multi_head_with_one_key_head_is_multi_query(draw: Draw) -> None:
    query, key, value = draw(2, 7, 12), draw(2, 5, 4), draw(2, 5, 4)

    output, _ = multi_head(query, key, value, heads=3, key_heads=1)

    for head, part in enumerate(query.chunk(3, -1)):
        alone, _ = attend(part, key, value)
        torch.testing.assert_close(output.chunk(3, -1)[head], alone, rtol=0, atol=1e-10)


def test_multi_head_takes_a_sparse_pattern(draw: Draw) -> None:
    query, key, value = draw(2, 7, 12), draw(2, 7, 6), draw(2, 7, 6)
    pattern = window(7, 7, 2)

    output, _ = multi_head(query, key, value, heads=4, key_heads=2, mask=pattern)

    expected, _ = multi_head(query, key, value, heads=4, key_heads=2, mask=pattern.dense())
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)


def test_splitting_and_merging_heads_is_the_identity(draw: Draw) -> None:
    sequence = draw(2, 5, 12)

    assert split_heads(sequence, 3).shape == (2, 3, 5, 4)
    assert torch.equal(merge_heads(split_heads(sequence, 3)), sequence)


def test_pooling_heads_averages_neighbours(draw: Draw) -> None:
    key = draw(2, 6, 5, 4)

    pooled = pool_heads(key, 2)

    torch.testing.assert_close(pooled[:, 0], key[:, :3].mean(1), rtol=0, atol=1e-15)
    torch.testing.assert_close(pooled[:, 1], key[:, 3:].mean(1), rtol=0, atol=1e-15)
    assert torch.equal(pool_heads(key, 6), key)


def test_heads_that_do_not_divide_are_refused(draw: Draw) -> None:
    with pytest.raises(ControlError, match="got width 12 and 5 heads"):
        split_heads(draw(2, 5, 12), 5)
    with pytest.raises(ControlError, match="got 4 for 6"):
        pool_heads(draw(2, 6, 5, 4), 4)
    with pytest.raises(ControlError, match="got 4 for 6"):
        grouped_query(draw(2, 6, 5, 4), draw(2, 4, 5, 4), draw(2, 4, 5, 4))
