"""The map of one row of an attention: what its pixels attend with, formed only where it must be."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf, prod
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

ALL = slice(None)


@dataclass(frozen=True)
class Chunking:
    """How softmaxes are taken where the time goes elsewhere: a CPU's cache, or a GPU's launches.

    Where probabilities are summed up, at most `formed` logits of one site are there at once, or
    `together` numbers of several sites: their logits, and the queries and keys that are held until
    then; `reduced`, where of a softmax its sum alone is kept. From `in_place` pixels on the
    probabilities take the place of the logits, which spares the cache; below they come from them in
    one launch. Where additions to several sums are `fused` into one launch, no sum may stand in it
    twice.
    """

    formed: int
    together: int
    reduced: int
    in_place: float
    fused: bool


CACHED = Chunking(2**17, 2**18, 2**18, in_place=256, fused=False)
"""Half a MiB of a site's logits: more at a time falls out of a processor's cache. Of several sites
it is one MiB, held queries and keys included: they are small ones, where launches are the cost."""

FEW_LAUNCHES = Chunking(2**22, 2**22, 2**26, in_place=inf, fused=True)
"""A site's heads all at once, but for no more than 16 MiB of logits and as much again."""


def chunking_on(device: torch.device) -> Chunking:
    """How softmaxes are taken on that device."""
    return CACHED if device.type == "cpu" else FEW_LAUNCHES


def heads_at_once(heads: int, each: int, most: int) -> Iterator[slice]:
    """As many heads at a time as have `most` logits, a head having `each`; all of them as `ALL`."""
    step = max(1, most // each)
    if step >= heads:
        yield ALL
        return
    for head in range(0, heads, step):
        yield slice(head, min(head + step, heads))


def without_autocast(tensor: Tensor) -> AbstractContextManager[None]:
    """Keep autocast, where it is on, from the precision of products on that tensor's device."""
    kind = tensor.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def _wide(dtype: torch.dtype) -> torch.dtype:
    """That type, or float32 where it is narrower."""
    return dtype if dtype.itemsize >= torch.float32.itemsize else torch.float32


Block = tuple[int, int]
"""Some of the keys that lie together: the first, and the one past the last."""


def block(keys: slice, count: int) -> Block:
    """Those of `count` keys that a slice takes."""
    first, beyond, _ = keys.indices(count)
    return first, beyond


class UnformedMap(NamedTuple):
    """A row's probabilities by what they are made of, so that they need not be formed.

    `query` (heads, pixels, width), `key` (heads, keys, width), `bias` broadcastable to
    (heads, pixels, keys) and added to the scaled logits, or None; `scale` of the logits. `block` is
    the keys that the map is about (None: all), its tokens: the softmax runs over all. `log_sum`
    (heads, pixels), where it is known, is the logarithm of the softmax's denominator. Of several
    rows at once each tensor has them as a further first axis.
    """

    query: Tensor
    key: Tensor
    bias: Tensor | None
    scale: float
    block: Block | None = None
    log_sum: Tensor | None = None

    def probabilities(self, heads: slice = ALL, tokens: slice = ALL) -> Tensor:
        """softmax(scale · query · keyᵀ + bias): (heads, pixels, tokens), at least float32."""
        if self.block is None and self.log_sum is None:
            logits = self._logits(heads, ALL, ALL)
            if logits.shape[-1] < chunking_on(logits.device).in_place:
                return logits.softmax(-2)[..., tokens, :].mT
            logits -= logits.detach().amax(-2, keepdim=True)
            shares = logits.exp_()
            return (shares[..., tokens, :] / shares.sum(-2, keepdim=True)).mT
        first, beyond = self.block or (0, self.key.shape[-2])
        low, high = block(tokens, beyond - first)
        logits = self._logits(heads, ALL, slice(first + low, first + high))
        total = self._log_sum(heads) if self.log_sum is None else self.log_sum[..., heads, :]
        logits -= total.to(logits)[..., None, :]
        return logits.exp_().mT

    def attend(self, value: Tensor) -> Tensor:
        """Probabilities, never formed, times each of `value` (any, heads, tokens, width)."""
        if self.block is not None:
            first, beyond = self.block
            value = F.pad(value, (0, 0, first, self.key.shape[1] - beyond))
        bias = None if self.bias is None else self.bias.to(self.query.dtype)[None]
        query, key = (one.expand(len(value), *one.shape) for one in (self.query, self.key))
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=self.scale)

    def _logits(self, heads: slice, pixels: slice, keys: slice) -> Tensor:
        """Logits (heads, keys, pixels): keys first, so that sums over them run along pixels."""
        query = self._part(self.query, heads, pixels)
        key = self._part(self.key, heads, keys)
        bias, beta = query.new_empty(1, 1, 1), 0
        if self.bias is not None:
            bias, beta = self.bias if self.bias.shape[-3] == 1 else self.bias[..., heads, :, :], 1
            bias = bias if bias.shape[-2] == 1 else bias[..., pixels, :]
            bias = bias if bias.shape[-1] == 1 else bias[..., keys]
            bias = bias.to(query.dtype).mT
            if bias.ndim > 3:
                each = len(query) // len(self.query)
                bias = bias.expand(len(self.query), each, -1, -1).flatten(0, 1)
        with without_autocast(query):
            logits = torch.baddbmm(bias, key, query.mT, beta=beta, alpha=self.scale)
        return logits if self.query.ndim == 3 else torch.unflatten(logits, 0, (len(self.query), -1))

    @staticmethod
    def _part(whole: Tensor, heads: slice, positions: slice) -> Tensor:
        """Some heads and positions of queries or keys, as one batch in at least float32."""
        part = whole if heads == ALL else whole[..., heads, :, :]
        part = part if positions == ALL else part[..., positions, :]
        if part.ndim == 3:
            return part.to(_wide(part.dtype))
        if len(part) == 1:
            return part[0].to(_wide(part.dtype))
        # In the order of the batch, which would take another copy.
        part = part.to(_wide(part.dtype), memory_format=torch.contiguous_format)
        return part.flatten(0, 1)

    def _log_sum(self, heads: slice) -> Tensor:
        """The logarithm of the softmax's denominator: (heads, pixels), a chunk at a time."""
        return torch.cat([each.logsumexp(-2) for each in self._chunks(heads)], -1)

    def _chunks(self, heads: slice) -> Iterator[Tensor]:
        *several, pixels, _ = self.query[..., heads, :, :].shape
        step = max(
            1, chunking_on(self.query.device).reduced // (prod(several) * self.key.shape[-2])
        )
        for first in range(0, pixels, step):
            yield self._logits(heads, slice(first, first + step), ALL)


@dataclass(frozen=True)
class FormedMap:
    """Probabilities (heads, pixels, tokens) that were formed earlier, where that is the smaller."""

    formed: Tensor

    def probabilities(self, heads: slice = ALL) -> Tensor:
        """The probabilities of some heads: (heads, pixels, tokens), at least float32."""
        return self.formed[heads].to(_wide(self.formed.dtype))

    def attend(self, value: Tensor) -> Tensor:
        """Probabilities times each of `value` (any, heads, tokens, width)."""
        with without_autocast(value):
            return self.formed.to(value) @ value


AttentionMap = UnformedMap | FormedMap
