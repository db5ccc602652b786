"""How strongly a query asks for a key: the scores that softmax turns into weights.

A score maps queries (..., n, d_q) and keys (..., m, d_k) to logits (..., n, m), without unit. It
broadcasts over the leading axes, which is what lets a sparse pattern give each query keys of its
own, and may answer -inf for a pair that must not attend.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from crossattn.errors import ControlError

Score = Callable[[Tensor, Tensor], Tensor]


def dot(query: Tensor, key: Tensor) -> Tensor:
    """Score a pair by the inner product, `q·k`, in O(n·m·d).

    query (..., n, d) and key (..., m, d) give logits (..., n, m). On widths of unit variance the
    logits have variance d, so softmax saturates as d grows. Raises ControlError if widths differ.
    Source: Luong et al. 2015, "dot".
    """
    check_widths("A dot product", query, key, query.shape[-1], query.shape[-1])
    return query @ key.mT


def scaled_dot(query: Tensor, key: Tensor) -> Tensor:
    """Score a pair by `q·k/√d`, whose variance does not grow with the width, in O(n·m·d).

    query (..., n, d) and key (..., m, d) give logits (..., n, m). Raises ControlError if widths
    differ. Source: Vaswani et al. 2017.
    """
    return dot(query / math.sqrt(query.shape[-1]), key)


@dataclass(frozen=True, eq=False)
class General:
    """Score a pair of unequal widths by the bilinear form `qᵀ W k`, in O(n·d_q·d_k + n·m·d_k).

    weight is W (d_q, d_k); query (..., n, d_q) and key (..., m, d_k) give logits (..., n, m).
    Raises ControlError if a width does not fit W. Source: Luong et al. 2015, "general".
    """

    weight: Tensor

    def __call__(self, query: Tensor, key: Tensor) -> Tensor:
        check_widths(f"W of shape {tuple(self.weight.shape)}", query, key, *self.weight.shape)
        return query @ self.weight.to(query.dtype) @ key.mT


@dataclass(frozen=True, eq=False)
class Additive:
    """Score a pair of unequal widths by a small network, `vᵀ tanh(W_q q + W_k k)`, in O(n·m·h).

    query_weight is W_q (h, d_q), key_weight is W_k (h, d_k) and vector is v (h,); query
    (..., n, d_q) and key (..., m, d_k) give logits (..., n, m), by way of a tensor (..., n, m, h).
    Raises ControlError if a width does not fit its weight. Source: Bahdanau et al. 2014.
    """

    query_weight: Tensor
    key_weight: Tensor
    vector: Tensor

    def __call__(self, query: Tensor, key: Tensor) -> Tensor:
        widths = self.query_weight.shape[-1], self.key_weight.shape[-1]
        check_widths("An additive score with these weights", query, key, *widths)
        asked = query @ self.query_weight.to(query.dtype).mT  # (..., n, h)
        offered = key @ self.key_weight.to(key.dtype).mT  # (..., m, h)
        hidden = torch.tanh(asked.unsqueeze(-2) + offered.unsqueeze(-3))  # (..., n, m, h)
        return hidden @ self.vector.to(query.dtype)


def score_pairs(query: Tensor, key: Tensor, score: Score, mask: Tensor | None) -> Tensor:
    """Score every pair, and write -inf where the mask forbids it.

    query (..., n, d_q), key (..., m, d_k) and a boolean mask that broadcasts to (..., n, m), True
    where a pair may attend, give logits (..., n, m), in float32 at least. Raises ControlError if
    the mask is not boolean or does not broadcast.
    """
    logits = score(widen(query), widen(key))
    if mask is None:
        return logits
    if mask.dtype != torch.bool:
        raise ControlError(
            f"A mask must be boolean, True where a pair may attend; got {mask.dtype}. "
            "Compare it with a threshold, or add a bias in a score of your own."
        )
    sizes = zip(reversed(mask.shape), reversed(logits.shape), strict=False)
    if mask.ndim > logits.ndim or any(have not in (1, want) for have, want in sizes):
        raise ControlError(
            f"A mask must broadcast to (..., queries, keys) = {tuple(logits.shape)}; "
            f"got {tuple(mask.shape)}. Insert an axis of size 1 for each one it shares."
        )
    return logits.masked_fill(~mask, -math.inf)


def widen(tensor: Tensor) -> Tensor:
    """Give a half-precision tensor in float32, any other as it is; the shape stays.

    Logits rounded to bfloat16 would cost weights several percent, far above their own rounding.
    """
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def check_widths(what: str, query: Tensor, key: Tensor, asked: int, offered: int) -> None:
    """Raise ControlError unless query (..., n, asked) and key (..., m, offered) fit the score."""
    got = query.shape[-1], key.shape[-1]
    if got != (asked, offered):
        raise ControlError(
            f"{what} takes queries of width {asked} and keys of width {offered}; "
            f"got {got[0]} and {got[1]}. Project them, or use General or Additive of those widths."
        )
