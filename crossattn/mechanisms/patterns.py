"""Which pairs may attend: the causal mask, and sparse patterns that never look at the others.

A mask is a boolean tensor (n, m) and costs what full attention costs. A `Pattern` lists the few
keys of each query instead, so attention gathers those alone.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms.scores import Score, scaled_dot, score_pairs


@dataclass(frozen=True, eq=False)
class Pattern:
    """The p keys that each query may attend to, out of m: attention over it costs O(n·p·d).

    indices (..., n, p) are positions of keys, allowed (..., n, p) is False where a slot is only
    padding, keys is m. A query's allowed keys are distinct. Source: Child et al. 2019.
    """

    indices: Tensor
    allowed: Tensor
    keys: int

    def take(self, tensor: Tensor) -> Tensor:
        """Gather from keys or values (..., m, d) those of each query: (..., n, p, d)."""
        lead = np.broadcast_shapes(tensor.shape[:-2], self.indices.shape[:-2])
        rows = tensor.expand(*lead, -1, -1).flatten(0, -2)  # (rows, d)
        first = torch.arange(math.prod(lead), device=tensor.device).view(*lead, 1, 1) * self.keys
        slots = self.indices + first  # (..., n, p)
        # One index_select over rows is several times faster than gather, forward and backward.
        return rows.index_select(0, slots.flatten()).view(*slots.shape, tensor.shape[-1])

    def spread(self, weights: Tensor) -> Tensor:
        """Lay weights over the pattern (..., n, p) out over every key (..., n, m), zero elsewhere.

        The result is as large as full attention's; ask for it to look at, not to compute with.
        """
        full = weights.new_zeros(*weights.shape[:-1], self.keys)
        return full.scatter_add(-1, self.indices.expand(weights.shape), weights)

    def dense(self) -> Tensor:
        """Give the pattern as a boolean mask (..., n, m), True where a pair may attend."""
        return self.spread(self.allowed.int()) > 0

    def causal(self) -> "Pattern":
        """Give the same pattern without the keys after the query; shapes stay."""
        query = torch.arange(self.indices.shape[-2], device=self.indices.device)[:, None]
        return Pattern(self.indices, self.allowed & (self.indices <= query), self.keys)


def causal(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Forbid every key after the query: a boolean mask (queries, keys), True where j ≤ i.

    Cost O(n·m). Source: Vaswani et al. 2017, the decoder.
    """
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril()


def window(queries: int, keys: int, radius: int, device: torch.device | None = None) -> Pattern:
    """Let a query attend to the keys within a radius of its own position, |i - j| ≤ r.

    indices are (queries, min(2r + 1, keys)), the radius counts positions; attention costs O(n·r·d).
    Raises ControlError if the radius is negative. Source: Luong et al. 2015, "local"; Beltagy et
    al. 2020.
    """
    if radius < 0:
        raise ControlError(f"A window's radius must be 0 or more positions; got {radius}.")
    size = min(2 * radius + 1, keys)
    query = torch.arange(queries, device=device)[:, None]
    # At the edges the window slides inwards, so that every slot names a key that exists.
    start = (query - radius).clamp(0, keys - size)
    indices = start + torch.arange(size, device=device)
    return Pattern(indices, (indices - query).abs() <= radius, keys)


def strided(queries: int, keys: int, stride: int, device: torch.device | None = None) -> Pattern:
    """Let a query attend to every stride-th key, those with j ≡ i modulo the stride.

    indices are (queries, ⌈keys/stride⌉), the stride counts positions; a stride of √n leaves √n
    keys a query, so attention costs O(n·√n·d). Raises ControlError if the stride is below 1.
    Source: Child et al. 2019.
    """
    if stride < 1:
        raise ControlError(f"A stride must be 1 position or more; got {stride}.")
    first = torch.arange(queries, device=device)[:, None] % stride
    indices = first + torch.arange(0, keys, stride, device=device)
    return Pattern(indices.clamp(max=keys - 1), indices < keys, keys)


def top_k(
    query: Tensor,
    key: Tensor,
    count: int,
    score: Score = scaled_dot,
    mask: Tensor | None = None,
) -> Pattern:
    """Let a query attend to the `count` allowed keys with the highest scores.

    query (..., n, d_q), key (..., m, d_k) and a boolean mask as `attend` takes them give indices
    (..., n, min(count, m)). Choosing scores every pair, O(n·m·d), and passes no gradient; attending
    costs O(n·count·d) and does. A count of m or more is full attention. Raises ControlError if the
    count is below 1. Source: Gupta et al. 2021.
    """
    if count < 1:
        raise ControlError(f"Top-k must keep 1 key or more; got {count}.")
    with torch.no_grad():
        best = score_pairs(query, key, score, mask).topk(min(count, key.shape[-2]))
    return Pattern(best.indices, ~best.values.isneginf(), key.shape[-2])
