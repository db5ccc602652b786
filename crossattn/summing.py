"""Summing attention into a record: in chunks that fit a CPU's cache, or in few launches."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.record import Record, Side
from crossattn.site import Site
from crossattn.softmax import chunking_on, heads_at_once
from crossattn.step import LayerCall


class Sums:
    """Adds what pixels attend with to the sums of a record.

    On a device a site takes at most six launches, all rows and heads at once: queries and keys
    widened, their product, its softmax, and the means over heads and over pixels. Sums go to the
    device at the first call and stay: fetching each call's would stall it.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._places = {site: place for place, site in enumerate(record.layout.sites)}
        self._visits = {side: visits.numpy() for side, visits in record.site_visits.items()}
        self._met: set[tuple[Side, int, Site, int]] = set()
        self._maps: dict[tuple[Side, Site, int], Tensor] = {}
        self._ones: dict[tuple[torch.device, int], Tensor] = {}

    @torch.no_grad()
    def add(self, call: LayerCall, attention: Attention, weights: Tensor | None = None) -> None:
        """Add a call's probabilities; the attention is left untouched.

        The mean over heads is weighed by `weights` (rows, heads) if there are any.
        """
        for side in self._record.layout.sides:
            for images, rows in call.step.rows.runs(side):
                self._add(call, attention, side, images, rows, weights)
                if images.start == 0:
                    self._visits[side][call.step.index, self._places[call.site]] += 1

    def _add(
        self,
        call: LayerCall,
        attention: Attention,
        side: Side,
        images: slice,
        rows: slice,
        weights: Tensor | None,
    ) -> None:
        layout, step, device = self._record.layout, call.step.index, attention.query.device
        sums, masses = self._sums(side, call, device)
        tokens = attention.tokens if layout.rest else layout.tokens
        each, most = attention.pixels * attention.formed(rows, tokens), chunking_on(device).formed
        for some, heads in chunks(rows, attention.heads, each, most):
            columns = self._columns(attention, some, heads).to(sums.dtype)
            first = images.start + some.start - rows.start
            there = slice(first, first + len(columns))
            if layout.heads:
                sums[there, heads].add_(columns)
            else:
                # A mean over heads that is added at once, as a product.
                total = sums[there].view(len(columns), 1, -1)
                if weights is None:
                    ones = self._row(device, columns.shape[1]).expand(len(columns), -1, -1)
                    total.baddbmm_(ones, columns.flatten(2), alpha=1 / attention.heads)
                else:
                    total.baddbmm_(weights[some, None, heads], columns.flatten(2))
            share, cell = columns.shape[1] / attention.heads, (side, step, call.site, first)
            if share == 1 and cell not in self._met:
                torch.mean(columns, (1, 3), out=masses[there])
            else:
                masses[there].add_(columns.mean((1, 3)), alpha=share)
            self._met.add(cell)

    def _sums(self, side: Side, call: LayerCall, device: torch.device) -> tuple[Tensor, Tensor]:
        """A site's sums of the present bin (images, heads or 1, columns, pixels), and its mass."""
        record, site, step = self._record, call.site, call.step.index
        cell = side, site, record.layout.bin(step)
        if cell not in self._maps:
            key = side, site.name
            record.maps[key] = record.maps[key].to(device)
            self._maps[cell] = record.maps[key][:, cell[2]].mT
            record.mass[side] = record.mass[side].to(device)
        return self._maps[cell], record.mass[side][step, self._places[site]]

    def _columns(self, attention: Attention, rows: slice, heads: slice) -> Tensor:
        """The probabilities that are kept, as they lie in memory: (rows, heads, columns, pixels).

        Their rest, where that is kept, is the last column.
        """
        layout = self._record.layout
        if not layout.rest:
            return attention.probabilities(rows, heads, slice(layout.tokens)).mT
        probs = attention.probabilities(rows, heads).mT
        own = probs[..., : layout.tokens, :]
        if probs.shape[-2] < layout.tokens:  # the sides of guidance may differ in length
            own = F.pad(own, (0, 0, 0, layout.tokens - probs.shape[-2]))
        return torch.cat([own, probs[..., layout.tokens :, :].sum(-2, keepdim=True)], -2)

    def _row(self, device: torch.device, heads: int) -> Tensor:
        """Ones (1, 1, heads), made once."""
        if (device, heads) not in self._ones:
            self._ones[device, heads] = torch.ones(1, 1, heads, device=device)
        return self._ones[device, heads]


def chunks(rows: slice, heads: int, each: int, most: int) -> Iterator[tuple[slice, slice]]:
    """Rows and heads, as many at once as have `most` logits, a head of a row having `each`.

    >>> list(chunks(slice(2, 4), 8, 100, 1600))
    [(slice(2, 4, None), slice(None, None, None))]
    >>> list(chunks(slice(2, 4), 8, 100, 400))[:2]
    [(slice(2, 3, None), slice(0, 4, None)), (slice(2, 3, None), slice(4, 8, None))]
    """
    together = max(1, most // (each * heads))
    for row in range(rows.start, rows.stop, together):
        some = slice(row, min(row + together, rows.stop))
        for part in heads_at_once(heads, each, most):
            yield some, part
