"""The seam: every mechanism whose weights are a softmax of scores goes through `attend`."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from crossattn.errors import ControlError
from crossattn.mechanisms.patterns import Pattern
from crossattn.mechanisms.scores import Score, scaled_dot, score_pairs, widen


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Score = scaled_dot,
    mask: Tensor | Pattern | None = None,
) -> tuple[Tensor, Tensor]:
    """Weigh values by how well their keys answer each query: `softmax(score(q, k)) v`.

    query (..., n, d_q), key (..., m, d_k) and value (..., m, d_v), usually (batch, heads, length,
    width), give the output (..., n, d_v) and the weights (..., n, m), both in the value's dtype;
    half precision is weighed in float32. A mask is boolean, broadcasts to (..., n, m), and is True
    where a pair may attend; other pairs weigh exactly 0, and a query with no key left gets zeros.
    A `Pattern` as mask gives weights (..., n, p) over its own slots (`Pattern.spread` lays them
    out), at its own cost instead of O(n·m·d). One sequence for all three is self-attention; keys
    and values of another are cross-attention. Raises ControlError if the shapes do not fit.
    Source: Bahdanau et al. 2014, Vaswani et al. 2017.
    """
    check_shapes(query, key, value)
    if isinstance(mask, Pattern):
        if (mask.indices.shape[-2], mask.keys) != (query.shape[-2], key.shape[-2]):
            raise ControlError(
                f"The pattern must be made for {query.shape[-2]} queries and {key.shape[-2]} keys; "
                f"it is for {mask.indices.shape[-2]} and {mask.keys}. Make it from these lengths."
            )
        # Each query becomes a row of its own, facing only its own keys.
        output, weights = attend(
            query.unsqueeze(-2),
            mask.take(key),
            mask.take(value),
            score,
            mask.allowed.unsqueeze(-2),
        )
        return output.squeeze(-2), weights.squeeze(-2)
    weights = _normalise(score_pairs(query, key, score, mask))
    return (weights @ widen(value)).to(value.dtype), weights.to(value.dtype)


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Give scaled dot product attention's output alone, tiled, in O(n·m·d) time and O(n) memory.

    query (batch, heads, n, d), key (batch, heads or groups, m, d), value (batch, heads or groups,
    m, d_v) and a boolean mask as `attend` takes it give the output (batch, heads, n, d_v). It is
    torch's own kernel and forms no weights; raises what torch raises. Source: Dao et al. 2022,
    FlashAttention.
    """
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, enable_gqa=query.shape[-3] != key.shape[-3]
    )


def _normalise(logits: Tensor) -> Tensor:
    # softmax of nothing but -inf is NaN, and so is its gradient: such a row is set aside first.
    empty = logits.isneginf().all(-1, keepdim=True)
    return torch.softmax(logits.masked_fill(empty, 0), -1).masked_fill(empty, 0)


def check_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise ControlError unless query (..., n, d_q), key and value (..., m, d) fit together."""
    if key.shape[-2] != value.shape[-2]:
        raise ControlError(
            f"Every key needs its value; got {key.shape[-2]} keys and {value.shape[-2]} values. "
            "Pass keys and values of one sequence."
        )
    try:
        np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except ValueError:
        raise ControlError(
            "Queries, keys and values must agree in batch and heads; got "
            f"{tuple(query.shape[:-2])}, {tuple(key.shape[:-2])} and {tuple(value.shape[:-2])}. "
            "For fewer key and value heads, use grouped_query."
        ) from None
