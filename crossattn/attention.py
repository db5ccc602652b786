"""One attention in flight: what a control may see of it and do to it, at the least cost."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.intercept import SdpaCall


def without_autocast(tensor: Tensor) -> AbstractContextManager[None]:
    """Keep autocast, where it is on, from the precision of products on that tensor's device."""
    kind = tensor.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


@dataclass(frozen=True)
class UnformedMap:
    """A row's probabilities by what they are made of, so that they need not be formed.

    `query` (heads, pixels, width), `key` (heads, tokens, width), `bias` broadcastable to
    (heads, pixels, tokens) and added to the scaled logits, or None; `scale` of the logits.
    """

    query: Tensor
    key: Tensor
    bias: Tensor | None
    scale: float

    def probabilities(self, heads: slice = slice(None), tokens: slice = slice(None)) -> Tensor:
        """softmax(scale · query · keyᵀ + bias): (heads, pixels, tokens), at least float32."""
        wide = torch.promote_types(self.query.dtype, torch.float32)
        query, key = self.query[heads].to(wide), self.key[heads].to(wide)
        bias, beta = query.new_empty(1, 1, 1), 0
        if self.bias is not None:
            bias, beta = self.bias if self.bias.shape[0] == 1 else self.bias[heads], 1
            bias = bias.to(wide).transpose(-1, -2)
        with without_autocast(query):
            # Tokens before pixels, so that sums over tokens run along whole vectors of pixels.
            logits = torch.baddbmm(bias, key, query.transpose(-1, -2), beta=beta, alpha=self.scale)
        logits -= logits.detach().amax(-2, keepdim=True)
        shares = logits.exp_()
        return (shares[:, tokens] / shares.sum(-2, keepdim=True)).transpose(-1, -2)

    def attend(self, value: Tensor) -> Tensor:
        """Probabilities, never formed, times `value` (heads, tokens, width)."""
        bias = None if self.bias is None else self.bias.to(self.query.dtype)[None]
        return F.scaled_dot_product_attention(
            self.query[None], self.key[None], value[None], attn_mask=bias, scale=self.scale
        )[0]


@dataclass(frozen=True)
class FormedMap:
    """Probabilities (heads, pixels, tokens) that were formed earlier, where that is the smaller."""

    formed: Tensor

    def probabilities(self, heads: slice = slice(None)) -> Tensor:
        """The probabilities of some heads: (heads, pixels, tokens), at least float32."""
        wide = torch.promote_types(self.formed.dtype, torch.float32)
        return self.formed[heads].to(wide)

    def attend(self, value: Tensor) -> Tensor:
        """Probabilities times `value` (heads, tokens, width): (heads, pixels, width)."""
        with without_autocast(value):
            return self.formed.to(value) @ value


AttentionMap = UnformedMap | FormedMap


@dataclass(frozen=True)
class _Mix:
    """A row's edit: P·diag(keep) + Σ P_source · matrix, linear, so it can act on the values.

    `keep` (tokens,); each matrix is (source tokens, tokens).
    """

    keep: Tensor
    terms: tuple[tuple[AttentionMap, Tensor], ...] = ()


class Attention:
    """One scaled dot product attention of a denoiser: (rows, heads, pixels or tokens, width).

    Left untouched, it is run by the host with the host's own arguments. Replacing queries, keys or
    values and adding a bias stay on the fused route; so does every *linear* edit of probabilities
    (weights on tokens, probabilities taken from another row), because (P·M)·V = P·(M·V). Only
    `edit` forms a row's probabilities.
    """

    def __init__(self, host: SdpaCall) -> None:
        self._host = host
        self.query = host.query
        self.key = host.key
        self.value = host.value
        self.scale = host.query.shape[-1] ** -0.5 if host.scale is None else host.scale
        self._mask = host.attn_mask
        self._mixes: dict[int, _Mix] = {}
        self._edited: dict[int, Tensor] = {}

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
        return self.key.shape[2]

    def looking_at(self, key: Tensor) -> "Attention":
        """The same queries before other keys (rows, heads, tokens, width), to look at only."""
        return Attention(replace(self._host, query=self.query, key=key, attn_mask=None))

    def unformed(self, row: int) -> UnformedMap:
        """The map of `row` before any edit of its probabilities, as views."""
        bias = self._mask
        if bias is not None:
            if bias.dtype == torch.bool:
                bias = torch.zeros(bias.shape, dtype=self.query.dtype, device=bias.device)
                bias = bias.masked_fill(~self._mask, float("-inf"))  # type: ignore[operator]
            bias = bias[row if bias.shape[0] > 1 else 0]
        return UnformedMap(self.query[row], self.key[row], bias, self.scale)

    def allowed(self, row: int) -> Tensor | None:
        """Where the host's mask lets `row` attend: bool, broadcastable to (heads, pixels, tokens).

        None for everywhere; a bias of -9,999 and below shuts out, as hosts write it.
        """
        if (mask := self._host.attn_mask) is None:
            return None
        mask = mask[row if mask.shape[0] > 1 else 0]
        return mask if mask.dtype == torch.bool else mask > -9_999

    def is_edited(self, row: int) -> bool:
        """Whether the probabilities of `row` are others than its queries and keys have it."""
        biased = self._mask is not self._host.attn_mask
        return biased or row in self._mixes or row in self._edited

    def map_of(self, row: int) -> AttentionMap:
        """What `row` attends with by now, edits included; formed only where there are any."""
        if row in self._edited or row in self._mixes:
            return FormedMap(self.probabilities(row))
        return self.unformed(row)

    def probabilities(
        self, row: int, heads: slice = slice(None), tokens: slice = slice(None)
    ) -> Tensor:
        """What `row` attends with now, edits included: (heads, pixels, tokens)."""
        if row in self._edited:
            return self._edited[row][heads, :, tokens]
        if row not in self._mixes:
            return self.unformed(row).probabilities(heads, tokens)
        mix = self._mixes[row]
        probs = self.unformed(row).probabilities(heads)
        probs = probs * mix.keep.to(probs)
        with without_autocast(probs):
            for source, matrix in mix.terms:
                taken = source.probabilities(heads)
                probs = probs + taken @ matrix.to(taken)
        return probs[..., tokens]

    def replace(
        self, query: Tensor | None = None, key: Tensor | None = None, value: Tensor | None = None
    ) -> None:
        """Attend with other queries, keys or values, shaped as the present ones."""
        self.query = self.query if query is None else query
        self.key = self.key if key is None else key
        self.value = self.value if value is None else value

    def add_bias(self, row: int, bias: Tensor) -> None:
        """Add `bias`, broadcastable to (heads, pixels, tokens), to the logits of `row`.

        Weights on tokens commute with it. Probabilities that were formed or taken from elsewhere
        have no logits: they are scaled, each pixel's keeping their sum.
        """
        if row in self._edited or (row in self._mixes and self._mixes[row].terms):
            probs = self.probabilities(row)
            bias = bias.to(probs)
            scaled = probs * (bias - bias.amax(-1, keepdim=True)).exp()
            total = scaled.sum(-1, keepdim=True)
            # A pixel that is shut out of all that an edit left it attends to nothing.
            kept = probs.sum(-1, keepdim=True) / total
            self.edit(row, scaled * kept.where(total != 0, 0.0))
            return
        shape = len(self.query), *(1, 1, 1, *bias.shape)[-3:]
        whole = torch.zeros(shape, dtype=self.query.dtype, device=self.query.device)
        whole[row] = bias
        if self._mask is None:
            self._mask = whole
        elif self._mask.dtype == torch.bool:
            self._mask = whole.masked_fill(~self._mask, float("-inf"))
        else:
            self._mask = self._mask + whole

    def scale_tokens(self, row: int, weights: Tensor) -> None:
        """Multiply the probabilities of `row` by `weights` (tokens,), not renormalised."""
        if row in self._edited:
            self.edit(row, self._edited[row] * weights.to(self._edited[row]))
            return
        mix = self._mixes.get(row) or _Mix(torch.ones_like(weights))
        terms = tuple((source, matrix * weights.to(matrix)) for source, matrix in mix.terms)
        self._mixes[row] = _Mix(mix.keep * weights, terms)

    def mix(self, row: int, keep: Tensor, source: AttentionMap, matrix: Tensor) -> None:
        """Make the probabilities of `row` P·diag(keep) + P_source·matrix.

        `keep` is (tokens,), `matrix` (source tokens, tokens). `source` may be another row of this
        attention, or one kept from an earlier run.
        """
        if row in self._edited:
            taken = source.probabilities()
            kept = self._edited[row] * keep.to(taken)
            with without_autocast(taken):
                self.edit(row, kept + taken @ matrix.to(taken))
            return
        self.scale_tokens(row, keep)
        mix = self._mixes[row]
        self._mixes[row] = _Mix(mix.keep, (*mix.terms, (source, matrix)))

    def edit(self, row: int, probs: Tensor) -> None:
        """Attend in `row` with `probs` (heads, pixels, tokens) as they are given."""
        self._edited[row] = probs
        self._mixes.pop(row, None)

    def output(self) -> Tensor:
        """The attention's result: (rows, heads, pixels, width)."""
        if not self._mixes and not self._edited:
            return self._run(self.value)
        value = self.value.clone()
        for row, mix in self._mixes.items():
            value[row] *= mix.keep.to(value)[:, None]
        output = self._run(value)
        rows = list(output.unbind(0))
        with without_autocast(output):
            for row, mix in self._mixes.items():
                for source, matrix in mix.terms:
                    rows[row] = rows[row] + source.attend(matrix.to(self.value) @ self.value[row])
            for row, probs in self._edited.items():
                rows[row] = (probs @ self.value[row].to(probs)).to(output)
        return torch.stack(rows)

    def _run(self, value: Tensor) -> Tensor:
        return self._host.run(query=self.query, key=self.key, value=value, attn_mask=self._mask)
