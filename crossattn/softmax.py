"""The map of one row of an attention: what its pixels attend with, formed only where it must be."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

ALL = slice(None)

# Logits that are formed at once where a softmax runs over more keys than are asked for: what fits
# a processor's cache, and what keeps a GPU busy.
AT_ONCE = {"cpu": 2**18, "cuda": 2**26}


def without_autocast(tensor: Tensor) -> AbstractContextManager[None]:
    """Keep autocast, where it is on, from the precision of products on that tensor's device."""
    kind = tensor.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


Block = tuple[int, int]
"""Some of the keys that lie together: the first, and the one past the last."""


def block(keys: slice, count: int) -> Block:
    """Those of `count` keys that a slice takes."""
    first, beyond, _ = keys.indices(count)
    return first, beyond


@dataclass(frozen=True)
class UnformedMap:
    """A row's probabilities by what they are made of, so that they need not be formed.

    `query` (heads, pixels, width), `key` (heads, keys, width), `bias` broadcastable to
    (heads, pixels, keys) and added to the scaled logits, or None; `scale` of the logits. `block` is
    the keys that the map is about (None: all), its tokens: the softmax runs over all. `log_sum`
    (heads, pixels), where it is known, is the logarithm of the softmax's denominator.
    """

    query: Tensor
    key: Tensor
    bias: Tensor | None
    scale: float
    block: Block | None = None
    log_sum: Tensor | None = None

    def probabilities(self, heads: slice = ALL, tokens: slice = ALL) -> Tensor:
        """softmax(scale · query · keyᵀ + bias): (heads, pixels, tokens), at least float32."""
        if self.block is None:
            shares = self._logits(heads, ALL, ALL)
            shares -= shares.detach().amax(-2, keepdim=True)
            shares = shares.exp_()
            return (shares[:, tokens] / shares.sum(-2, keepdim=True)).transpose(-1, -2)
        first, beyond = self.block
        low, high = block(tokens, beyond - first)
        logits = self._logits(heads, ALL, slice(first + low, first + high))
        total = self._log_sum(heads) if self.log_sum is None else self.log_sum[heads]
        logits -= total.to(logits)[:, None]
        return logits.exp_().transpose(-1, -2)

    def attend(self, value: Tensor) -> Tensor:
        """Probabilities, never formed, times `value` (heads, tokens, width)."""
        if self.block is not None:
            first, beyond = self.block
            value = F.pad(value, (0, 0, first, self.key.shape[1] - beyond))
        bias = None if self.bias is None else self.bias.to(self.query.dtype)[None]
        return F.scaled_dot_product_attention(
            self.query[None], self.key[None], value[None], attn_mask=bias, scale=self.scale
        )[0]

    def _logits(self, heads: slice, pixels: slice, keys: slice) -> Tensor:
        """Logits (heads, keys, pixels): keys first, so that sums over them run along pixels."""
        wide = torch.promote_types(self.query.dtype, torch.float32)
        query, key = self.query[heads, pixels].to(wide), self.key[heads, keys].to(wide)
        bias, beta = query.new_empty(1, 1, 1), 0
        if self.bias is not None:
            bias, beta = self.bias if self.bias.shape[0] == 1 else self.bias[heads], 1
            bias = bias if bias.shape[1] == 1 else bias[:, pixels]
            bias = bias if bias.shape[2] == 1 else bias[..., keys]
            bias = bias.to(wide).transpose(-1, -2)
        with without_autocast(query):
            return torch.baddbmm(bias, key, query.transpose(-1, -2), beta=beta, alpha=self.scale)

    def _log_sum(self, heads: slice) -> Tensor:
        """The logarithm of the softmax's denominator: (heads, pixels), a chunk at a time."""
        return torch.cat([each.logsumexp(-2) for each in self._chunks(heads)], -1)

    def _chunks(self, heads: slice) -> Iterator[Tensor]:
        count, pixels = len(self.query[heads]), self.query.shape[1]
        most = AT_ONCE.get(self.query.device.type, AT_ONCE["cpu"])
        step = max(1, most // (count * self.key.shape[1]))
        for first in range(0, pixels, step):
            yield self._logits(heads, slice(first, first + step), ALL)


@dataclass(frozen=True)
class FormedMap:
    """Probabilities (heads, pixels, tokens) that were formed earlier, where that is the smaller."""

    formed: Tensor

    def probabilities(self, heads: slice = ALL) -> Tensor:
        """The probabilities of some heads: (heads, pixels, tokens), at least float32."""
        wide = torch.promote_types(self.formed.dtype, torch.float32)
        return self.formed[heads].to(wide)

    def attend(self, value: Tensor) -> Tensor:
        """Probabilities times `value` (heads, tokens, width): (heads, pixels, width)."""
        with without_autocast(value):
            return self.formed.to(value) @ value


AttentionMap = UnformedMap | FormedMap
