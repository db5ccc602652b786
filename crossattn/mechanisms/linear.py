"""Linear attention: a kernel in softmax's place, so the sum over keys is taken once for all."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms.attention import check_shapes
from crossattn.mechanisms.scores import check_widths, dot, widen

# From (..., d) to (..., d of its own), never below 0.
Feature = Callable[[Tensor], Tensor]


def elu_plus_one(x: Tensor) -> Tensor:
    """Map any tensor to positive features of the same shape, `elu(x) + 1`.

    Source: Katharopoulos et al. 2020.
    """
    # exp(x), not expm1(x) + 1: the latter rounds small features away.
    return torch.where(x > 0, x + 1, x.clamp(max=0).exp())


def linear(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    feature: Feature = elu_plus_one,
    mask: Tensor | None = None,
) -> Tensor:
    """Attend without ever forming a pair: `φ(q) (Σ φ(k) vᵀ) / (φ(q) · Σ φ(k))`, in O((n+m)·d²).

    query (..., n, d), key (..., m, d) and value (..., m, d_v) give the output (..., n, d_v) in the
    value's dtype. feature is φ, non-negative (Sana: torch.relu). The mask is boolean and holds per
    key, (..., m), True where a key may be attended to; a query that no key answers gets zeros. The
    weights it implies are those of `attend(..., score=Kernel(feature))`. Raises ControlError if the
    shapes do not fit, or the mask is not boolean or not per key. Source: Katharopoulos et al. 2020.
    """
    check_shapes(query, key, value)
    check_widths("Linear attention", query, key, query.shape[-1], query.shape[-1])
    asked, offered = feature(widen(query)), feature(widen(key))
    if mask is not None:
        if mask.dtype != torch.bool or mask.shape[-1:] != key.shape[-2:-1]:
            raise ControlError(
                f"Linear attention takes a boolean mask of (..., {key.shape[-2]}) keys; got "
                f"{mask.dtype} {tuple(mask.shape)}. For a mask per pair, use attend with Kernel."
            )
        offered = offered.masked_fill(~mask.unsqueeze(-1), 0)
    summary = offered.mT @ widen(value)  # (..., d, d_v)
    total = asked @ offered.sum(-2).unsqueeze(-1)  # (..., n, 1)
    return (asked @ summary / total.masked_fill(total == 0, 1)).to(value.dtype)


@dataclass(frozen=True)
class Kernel:
    """Score a pair by `log φ(q)·φ(k)`, whose softmax is linear attention's implied weights.

    query (..., n, d) and key (..., m, d) give logits (..., n, m), -inf where the kernel is 0, in
    O(n·m·d): what `linear` saves. Source: Tsai et al. 2019, Katharopoulos et al. 2020.
    """

    feature: Feature = elu_plus_one

    def __call__(self, query: Tensor, key: Tensor) -> Tensor:
        kernel = dot(self.feature(query), self.feature(key))
        unrelated = kernel == 0
        # The logarithm of 0 must not be taken at all: its gradient is NaN even where discarded.
        return kernel.masked_fill(unrelated, 1).log().masked_fill(unrelated, -math.inf)
