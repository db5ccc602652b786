"""What a control may see of an attention in flight and do to it, at the least cost."""

from collections.abc import Collection

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.in_flight import InFlight, Mix
from crossattn.intercept import SdpaCall
from crossattn.softmax import ALL, AttentionMap, FormedMap, UnformedMap, block, without_autocast


class Attention:
    """One block of a denoiser's attention: the image's queries before some of the keys.

    In a UNet a layer's attention is one block: pixels before the text, or before pixels. In joint
    attention, where the sequence holds both, the image's queries before the text's keys are one
    block and before the image's another; probabilities are those of the softmax over all keys, and
    what a control does in one block acts together with what others do in the other.

    Left untouched, it is run by the host with the host's own arguments. Replacing queries, keys or
    values and adding a bias stay on the fused route; so does every *linear* edit of probabilities
    (weights on tokens, probabilities taken from another row), because (P·M)·V = P·(M·V). Only
    `edit` forms a row's probabilities. The text's own queries are never edited.
    """

    def __init__(self, call: InFlight | SdpaCall, keys: slice = ALL) -> None:
        self._whole = InFlight(call) if isinstance(call, SdpaCall) else call
        self._keys = keys
        self._block = block(keys, self._whole.keys)

    @property
    def query(self) -> Tensor:
        """The image's queries: (rows, heads, pixels, width)."""
        return self._whole.query

    @property
    def key(self) -> Tensor:
        """The block's keys: (rows, heads, tokens, width)."""
        return self._whole.key[:, :, self._keys] if self.joint else self._whole.key

    @property
    def value(self) -> Tensor:
        """The block's values: (rows, heads, tokens, width)."""
        return self._whole.value[:, :, self._keys] if self.joint else self._whole.value

    @property
    def scale(self) -> float:
        """What the host multiplies logits by."""
        return self._whole.scale

    @property
    def joint(self) -> bool:
        """Whether the softmax runs over more keys than the block has."""
        return self._whole.joint

    @property
    def heads(self) -> int:
        """Query heads."""
        return self.query.shape[1]

    @property
    def pixels(self) -> int:
        """Queries a head."""
        return self.query.shape[2]

    @property
    def tokens(self) -> int:
        """Keys a head."""
        first, beyond = self._block
        return beyond - first

    def output(self) -> Tensor:
        """What the host gets by now of its whole call: (rows, heads, queries, width)."""
        return self._whole.output()

    def looking_at(self, key: Tensor) -> "Attention":
        """The same queries before other keys (rows, heads, tokens, width), to look at only."""
        host = self._whole.host
        mask = host.attn_mask if self.joint else None
        there = self._in_sequence(self._whole.key, key)
        other = InFlight(host._replace(key=there, attn_mask=mask), self._whole.image)
        other.query = self.query
        return Attention(other, self._keys)

    def given(self) -> Tensor:
        """What the image's queries get by now: (rows, heads, pixels, width)."""
        return self._whole.output()[:, :, self._whole.image]

    def unformed(self, row: int | slice) -> UnformedMap:
        """The map of `row`, or of several, before any edit of its probabilities, as views."""
        return self._whole.unformed(row, self._block)

    def unedited(self, rows: slice) -> UnformedMap | None:
        """The map of rows whose probabilities nobody has edited, to look at; None of any others."""
        whole = self._whole
        if whole.edited or whole.mixes:
            made = {*whole.edited, *whole.mixes}
            if any((row, self._block) in made for row in whole.numbers(rows)):
                return None
        return whole.unformed(rows, self._block, looking=True)

    def formed(self, rows: slice, tokens: int) -> int:
        """How many keys' logits it takes to form the probabilities of the first `tokens`."""
        return tokens if self._whole.log_sum(rows) is not None else self.tokens

    def allowed(self, row: int) -> Tensor | None:
        """Where the host's mask lets `row` attend: bool, broadcastable to (heads, pixels, tokens).

        None for everywhere; a bias of -9,999 and below shuts out, as hosts write it.
        """
        if (mask := self._whole.mask) is None:
            return None
        mask = mask[row if mask.shape[0] > 1 else 0]
        mask = mask if mask.shape[-1] == 1 else mask[..., self._keys]
        return mask if mask.dtype == torch.bool else mask > -9_999

    def edited(self, row: int) -> bool:
        """Whether a control has edited what `row` attends with."""
        return self._whole.touches(row)

    def map_of(self, row: int) -> AttentionMap:
        """What `row` attends with by now, edits included; formed only where there are any."""
        cell = row, self._block
        if cell in self._whole.edited or cell in self._whole.mixes:
            return FormedMap(self.probabilities(row))
        return self.unformed(row)

    def probabilities(self, row: int | slice, heads: slice = ALL, tokens: slice = ALL) -> Tensor:
        """What `row` attends with now, edits included: (heads, pixels, tokens).

        Several rows at once give (rows, heads, pixels, tokens).
        """
        if isinstance(row, slice):
            if (there := self.unedited(row)) is not None:
                return there.probabilities(heads, tokens)
            each_of = [self.probabilities(each, heads, tokens) for each in self._whole.numbers(row)]
            return torch.stack(each_of) if len(each_of) > 1 else each_of[0][None]
        cell = row, self._block
        if cell in self._whole.edited:
            return self._whole.edited[cell][heads, :, tokens]
        if cell not in self._whole.mixes:
            return self.unformed(row).probabilities(heads, tokens)
        mix = self._whole.mixes[cell]
        probs = self.unformed(row).probabilities(heads, tokens)
        probs = probs * mix.keep[tokens].to(probs)
        with without_autocast(probs):
            for source, matrix in mix.terms:
                taken = source.probabilities(heads)
                probs = probs + taken @ matrix[:, tokens].to(taken)
        return probs

    def replace(
        self,
        query: Tensor | None = None,
        key: Tensor | None = None,
        value: Tensor | None = None,
        rows: Collection[int] | None = None,
    ) -> None:
        """Attend with other queries, keys or values, shaped as the present ones.

        `rows` are those in which they differ; all unless given.
        """
        whole, differing = self._whole, set(range(len(self.query)) if rows is None else rows)
        if query is not None:
            whole.replace("query", query, differing)
        if key is not None:
            whole.replace("key", self._in_sequence(whole.key, key), differing)
        if value is not None:
            whole.replace("value", self._in_sequence(whole.value, value), differing)

    def add_bias(self, row: int, bias: Tensor) -> None:
        """Add `bias`, broadcastable to (heads, pixels, tokens), to the logits of `row`.

        Weights on tokens commute with it. Probabilities that were formed or taken from elsewhere
        have no logits: they are scaled, each pixel's keeping their sum.
        """
        cell, whole = (row, self._block), self._whole
        if cell in whole.edited or (cell in whole.mixes and whole.mixes[cell].terms):
            probs = self.probabilities(row)
            bias = bias.to(probs)
            scaled = probs * (bias - bias.amax(-1, keepdim=True)).exp()
            total = scaled.sum(-1, keepdim=True)
            # A pixel that is shut out of all that an edit left it attends to nothing.
            kept = probs.sum(-1, keepdim=True) / total
            self.edit(row, scaled * kept.where(total != 0, 0.0))
            return
        bias = bias[(None,) * (3 - bias.ndim)]
        if self.joint:
            first, beyond = self._block
            bias = bias.expand(*bias.shape[:-1], self.tokens)
            bias = F.pad(bias, (first, whole.keys - beyond))
        whole.add_bias(row, bias)

    def scale_tokens(self, row: int, weights: Tensor) -> None:
        """Multiply the probabilities of `row` by `weights` (tokens,), not renormalised."""
        cell, whole = (row, self._block), self._whole
        if cell in whole.edited:
            self.edit(row, whole.edited[cell] * weights.to(whole.edited[cell]))
            return
        if (mix := whole.mixes.get(cell)) is None:
            whole.mix(*cell, Mix(weights))
            return
        terms = tuple((source, matrix * weights.to(matrix)) for source, matrix in mix.terms)
        whole.mix(*cell, Mix(mix.keep * weights, terms))

    def mix(self, row: int, keep: Tensor, source: AttentionMap, matrix: Tensor) -> None:
        """Make the probabilities of `row` P·diag(keep) + P_source·matrix.

        `keep` is (tokens,), `matrix` (source tokens, tokens). `source` may be another row of this
        attention, or one kept from an earlier run.
        """
        cell, whole = (row, self._block), self._whole
        if cell in whole.edited:
            taken = source.probabilities()
            kept = whole.edited[cell] * keep.to(taken)
            with without_autocast(taken):
                self.edit(row, kept + taken @ matrix.to(taken))
            return
        self.scale_tokens(row, keep)
        mix = whole.mixes[cell]
        whole.mix(*cell, Mix(mix.keep, (*mix.terms, (source, matrix))))

    def edit(self, row: int, probs: Tensor) -> None:
        """Attend in `row` with `probs` (heads, pixels, tokens) as they are given."""
        self._whole.edit(row, self._block, probs)

    def _in_sequence(self, whole: Tensor, part: Tensor) -> Tensor:
        """`whole` (rows, heads, keys, width) with `part` in the block's place."""
        if not self.joint:
            return part
        whole = whole.clone()
        whole[:, :, self._keys] = part
        return whole
