"""How heads are wired: independent, or sharing keys and values between them."""

import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms.attention import attend
from crossattn.mechanisms.patterns import Pattern
from crossattn.mechanisms.scores import Score, scaled_dot


def multi_head(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    key_heads: int | None = None,
    score: Score = scaled_dot,
    mask: Tensor | Pattern | None = None,
) -> tuple[Tensor, Tensor]:
    """Attend with h independent heads over slices of the width, and concatenate them.

    query (batch, n, h·d), key (batch, m, g·d) and value (batch, m, g·d_v), already projected, give
    the output (batch, n, h·d_v) and the weights (batch, h, n, m) in O(h·n·m·d). key_heads is g: h
    by default, fewer for grouped-query, 1 for multi-query. The mask is as in `attend`. Raises
    ControlError if a width does not split into its heads, or g does not divide h. Source: Vaswani
    et al. 2017.
    """
    shared = heads if key_heads is None else key_heads
    output, weights = grouped_query(
        split_heads(query, heads), split_heads(key, shared), split_heads(value, shared), score, mask
    )
    return merge_heads(output), weights


def grouped_query(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Score = scaled_dot,
    mask: Tensor | Pattern | None = None,
) -> tuple[Tensor, Tensor]:
    """Attend with g key and value heads, each shared by h/g neighbouring query heads.

    query (batch, h, n, d_q), key (batch, g, m, d_k) and value (batch, g, m, d_v) give the output
    (batch, h, n, d_v) and the weights (batch, h, n, m). The time is that of h heads; the keys and
    values to project and to keep are g/h as many, and g = 1 is multi-query attention. Raises
    ControlError if g does not divide h. Source: Shazeer 2019, Ainslie et al. 2023.
    """
    heads = query.shape[-3]
    return attend(query, _share(key, heads), _share(value, heads), score, mask)


def pool_heads(tensor: Tensor, heads: int) -> Tensor:
    """Average neighbouring key or value heads into fewer: (..., h, m, d) to (..., heads, m, d).

    Raises ControlError if `heads` does not divide h. Source: Ainslie et al. 2023.
    """
    _check_divides(heads, tensor.shape[-3])
    return torch.unflatten(tensor, -3, (heads, -1)).mean(-3)


def split_heads(tensor: Tensor, heads: int) -> Tensor:
    """Cut the width into heads: (..., length, heads·d) to (..., heads, length, d).

    Raises ControlError if the width is not a multiple of the heads.
    """
    width = tensor.shape[-1]
    if heads < 1 or width % heads:
        raise ControlError(
            f"A width must be a multiple of its heads; got width {width} and {heads} heads."
        )
    return torch.unflatten(tensor, -1, (heads, -1)).transpose(-2, -3)


def merge_heads(tensor: Tensor) -> Tensor:
    """Lay heads side by side again: (..., heads, length, d) to (..., length, heads·d)."""
    return tensor.transpose(-2, -3).flatten(-2)


def _share(tensor: Tensor, heads: int) -> Tensor:
    _check_divides(tensor.shape[-3], heads)
    return tensor.repeat_interleave(heads // tensor.shape[-3], dim=-3)


def _check_divides(fewer: int, heads: int) -> None:
    if fewer < 1 or heads % fewer:
        raise ControlError(
            f"Key and value heads must divide the heads that share them; got {fewer} for {heads}. "
            "Choose a divisor."
        )
