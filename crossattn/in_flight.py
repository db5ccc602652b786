"""A call of the host's attention while controls act on it, and what the host gets of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor

from crossattn.intercept import SdpaCall
from crossattn.softmax import (
    ALL,
    AttentionMap,
    Block,
    UnformedMap,
    chunking_on,
    without_autocast,
)

Made = TypeVar("Made")


@dataclass(frozen=True)
class Mix:
    """A row's edit in a block: P·diag(keep) + Σ P_source · matrix, so it can act on the values.

    `keep` (tokens,); each matrix is (source tokens, tokens).
    """

    keep: Tensor
    terms: tuple[tuple[AttentionMap, Tensor], ...] = ()


class InFlight:
    """One call of the host, of which the image's queries may attend otherwise.

    `query` (rows, heads, pixels, width) are the queries at `image` in the sequence, `key` and
    `value` (rows, heads, keys, width) those of all of it, `keys` of them. In joint attention the
    text's own queries are always answered by the host's own call; rows that were edited get their
    image's queries answered by one call more. Where a call untouched is run, it is with the host's
    own arguments.
    """

    def __init__(self, host: SdpaCall, image: slice = ALL) -> None:
        self.host = host
        self.image = image
        self.joint = image != ALL
        self.query = host.query[:, :, image] if self.joint else host.query
        self.key, self.value = host.key, host.value
        (_, heads, _, width), (_, own, self.keys, _) = host.query.shape, host.key.shape
        if heads > own:
            self.key = host.key.repeat_interleave(heads // own, 1)
            self.value = host.value.repeat_interleave(heads // own, 1)
        self.scale = width**-0.5 if host.scale is None else host.scale
        self.mask = host.attn_mask
        if self.mask is not None:
            self.mask = self.mask[(None,) * (4 - self.mask.ndim)]
            self.mask = self.mask[:, :, image] if self.mask.shape[2] > 1 else self.mask
        self.mixes: dict[tuple[int, Block], Mix] = {}
        self.edited: dict[tuple[int, Block], Tensor] = {}
        self._biases: dict[int, Tensor] = {}
        self._replaced: set[int] = set()
        self._untouched: tuple[Tensor, Tensor | None] | None = None
        self._again: tuple[Tensor, Tensor | None] | None = None
        self._grads = torch.is_grad_enabled()

    def replace(self, name: str, tensor: Tensor, rows: set[int]) -> None:
        """Put another tensor in the place of "query", "key" or "value", which differs in `rows`."""
        setattr(self, name, tensor)
        self._replaced |= rows
        self._again = None

    def add_bias(self, row: int, bias: Tensor) -> None:
        """Add to the logits of `row` a bias broadcastable to (heads, pixels, keys)."""
        bias = bias.to(self.query)
        self._biases[row] = self._biases[row] + bias if row in self._biases else bias
        self._again = None

    def mix(self, row: int, block: Block, mix: Mix) -> None:
        """Let `row` attend by that mix in a block."""
        self.mixes[row, block] = mix
        self._again = None

    def edit(self, row: int, block: Block, probs: Tensor) -> None:
        """Let `row` attend with `probs` (heads, pixels, tokens) in a block, and nothing else."""
        self.edited[row, block] = probs
        self.mixes.pop((row, block), None)
        self._again = None

    def unformed(self, row: int | slice, block: Block, *, looking: bool = False) -> UnformedMap:
        """The map of `row`, or of several, over those of the keys before any edit of it.

        Who is only `looking` has the host's own call run for it where that spares a softmax.
        """
        bias = self._bias(row) if isinstance(row, int) else self._bias_at(row)
        total = self.log_sum(row) if self.joint or looking else None
        keys = block if self.joint else None
        return UnformedMap(self.query[row], self.key[row], bias, self.scale, keys, total)

    def log_sum(self, row: int | slice) -> Tensor | None:
        """Logarithms of the softmax's denominators of `row`, or of several: (heads, pixels).

        None where no kernel tells them that is run anyway, or a softmax takes no longer.
        """
        small = self.query.shape[2] < chunking_on(self.query.device).in_place
        if not self.joint and (small or self._acted):
            return None
        if (total := self._summed()) is None:
            return None
        if not self._acted:
            return total[row] if self.image == ALL else total[row][..., self.image]
        asked = [row] if isinstance(row, int) else self.numbers(row)
        if self._replaced.isdisjoint(asked) and self._biases.keys().isdisjoint(asked):
            return total[row][..., self.image]
        if not self._touched.issuperset(asked):
            return None
        touched, total = sorted(self._touched), self._run_again()[1]
        places = [touched.index(each) for each in asked]
        return None if total is None else total[places[0] if isinstance(row, int) else places]

    def numbers(self, rows: slice) -> range:
        """Which rows a slice of them takes."""
        return range(*rows.indices(len(self.query)))

    def touches(self, row: int) -> bool:
        """Whether `row` is to attend otherwise than in the host's own call."""
        return row in self._touched

    def output(self) -> Tensor:
        """What the host gets: (rows, heads, queries, width)."""
        if not self._acted:
            return self._run_untouched()
        if not self.joint:
            rows = range(len(self.query))
            call = self.host._replace(query=self.query, key=self.key, value=self._weighted())
            if self._biases:
                call = call._replace(attn_mask=self._bias_of(rows))
            return self._completed(call.run(), rows)
        output, touched = self._run_untouched().clone(), sorted(self._touched)
        output[touched, :, self.image] = self._completed(self._run_again()[0], touched)
        return output

    def _run_untouched(self) -> Tensor:
        """The host's own call, run once."""
        if self.joint:
            self._summed()
        if self._untouched is None:
            self._untouched = self._as_host(self.host.run), None
        return self._untouched[0]

    def _summed(self) -> Tensor | None:
        """Denominators of the host's own call, which is run if its kernel tells them."""
        if self._untouched is None:
            self._untouched = self._as_host(self.host.run_summed)
        return None if self._untouched is None else self._untouched[1]

    def _as_host(self, run: Callable[[], Made]) -> Made:
        """Run something with gradients as the host has them: who only looks does without."""
        if torch.is_grad_enabled() == self._grads:
            return run()
        with torch.set_grad_enabled(self._grads):
            return run()

    @property
    def _acted(self) -> bool:
        """Whether any row is to attend otherwise than in the host's own call."""
        return bool(self.mixes or self.edited or self._biases or self._replaced)

    @property
    def _touched(self) -> set[int]:
        """The rows that are to attend otherwise."""
        edited = {row for row, _ in (*self.mixes, *self.edited)}
        return edited | self._biases.keys() | self._replaced

    def _run_again(self) -> tuple[Tensor, Tensor | None]:
        """The image's queries of those rows, answered once for all that is settled by now.

        With the softmax's denominators, if the kernel tells them: values have no part in these.
        """
        if self._again is None:
            rows = sorted(self._touched)
            call = SdpaCall(
                self.query[rows],
                self.key[rows],
                self._weighted()[rows],
                attn_mask=self._bias_of(rows),
                scale=self.scale,
            )
            summed = self._as_host(call.run_summed)
            self._again = (self._as_host(call.run), None) if summed is None else summed
        return self._again

    def _bias(self, row: int) -> Tensor | None:
        """What is added to the logits of `row`, the host's mask included: (heads, pixels, keys)."""
        bias, mask = self._biases.get(row), self.mask
        if mask is None:
            return bias
        mask = mask[row if mask.shape[0] > 1 else 0]
        if mask.dtype == torch.bool:
            bias = self.query.new_zeros(mask.shape) if bias is None else bias
            return bias.masked_fill(~mask, float("-inf"))
        return mask if bias is None else mask + bias

    def _bias_at(self, rows: slice) -> Tensor | None:
        """What is added to those rows' logits, as it lies there if it is the host's mask alone."""
        if self.mask is None and not self._biases:
            return None
        if self.mask is None or self.mask.dtype == torch.bool or self._biases:
            return self._bias_of(self.numbers(rows))
        return self.mask[rows] if self.mask.shape[0] > 1 else self.mask

    def _bias_of(self, rows: Sequence[int]) -> Tensor | None:
        """What is added to those rows' logits: broadcastable to (rows, heads, pixels, keys)."""
        biases = [self._bias(row) for row in rows]
        shapes = [each.shape for each in biases if each is not None]
        if not shapes:
            return None
        shape = [max(sizes) for sizes in zip(*shapes, (1, 1, self.keys), strict=True)]
        zero = self.query.new_zeros(1, 1, 1)
        each_of = [(zero if each is None else each).expand(shape) for each in biases]
        return torch.stack(each_of).to(self.query.dtype)

    def _weighted(self) -> Tensor:
        """The values, each token's times what is kept of its probabilities."""
        if not self.mixes and not self.edited:
            return self.value
        value = self.value.clone()
        for rows, (first, beyond), mixes in self._groups():
            keep = _stacked([mix.keep for mix in mixes])
            value[rows, :, first:beyond].mul_(keep.to(value)[:, None, :, None])
        if self.joint:
            for row, (first, beyond) in self.edited:
                value[row, :, first:beyond] = 0
        return value

    def _groups(self) -> Iterator[tuple[slice, Block, list[Mix]]]:
        """Mixes of rows that lie together and take from the same maps, to be made at once."""

        def group(numbered: tuple[int, tuple[int, Block]]) -> tuple[Block, int, list[int]]:
            number, (row, block) = numbered
            return block, row - number, [id(source) for source, _ in self.mixes[row, block].terms]

        cells = sorted(self.mixes, key=lambda cell: (cell[1], cell[0]))
        for (block, *_), numbered in groupby(enumerate(cells), group):
            rows = [row for _, (row, _) in numbered]
            yield slice(rows[0], rows[-1] + 1), block, [self.mixes[row, block] for row in rows]

    def _completed(self, output: Tensor, rows: Sequence[int]) -> Tensor:
        """With the parts of edited rows that come from elsewhere than their own softmax."""
        if not self.edited and not any(mix.terms for mix in self.mixes.values()):
            return output
        # What is kept, for gradients or for the next who asks, must not be written to.
        output = output.clone() if self.joint or output.requires_grad else output
        places = {row: place for place, row in enumerate(rows)}
        with without_autocast(output):
            for group, (first, beyond), mixes in self._groups():
                value = self.value[group, :, first:beyond]
                # All heads in one product, as they lie in memory.
                wide, heads = value.transpose(1, 2).flatten(2), value.shape[1]
                there = slice(places[group.start], places[group.start] + len(mixes))
                for number, (source, _) in enumerate(mixes[0].terms):
                    matrix = _stacked([mix.terms[number][1] for mix in mixes]).to(value)
                    taken = torch.unflatten(matrix @ wide, 2, (heads, -1)).transpose(1, 2)
                    output[there].add_(source.attend(taken))
            for (row, (first, beyond)), probs in self.edited.items():
                part = probs @ self.value[row, :, first:beyond].to(probs)
                if self.joint:
                    output[places[row]].add_(part.to(output))
                else:
                    output[places[row]].copy_(part)
        return output


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors as one with a further first axis, of length 1 if they are all the same."""
    if all(each is tensors[0] for each in tensors):
        return tensors[0][None]
    return torch.stack(list(tensors))
