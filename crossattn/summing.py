"""Summing attention into a record: in chunks that fit a CPU's cache, or in few launches."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.record import Record, Side
from crossattn.rows import Rows
from crossattn.site import Site
from crossattn.softmax import UnformedMap, chunking_on, heads_at_once
from crossattn.step import LayerCall


class _Waiting(NamedTuple):
    """A site's map of some rows, with the sums and the mass that it is to be added to."""

    map: UnformedMap
    sums: Tensor
    mass: Tensor


class Sums:
    """Adds what pixels attend with to the sums of a record.

    Sites of one size wait for each other within a step and are formed and added at once, as far as
    a chunk holds them. A site alone takes at most six launches on a device, all rows and heads at
    once: queries and keys widened, their product, its softmax, and the means over heads and over
    pixels. Sums go to the device at the first call and stay: fetching each call's would stall it.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._places = {site: place for place, site in enumerate(record.layout.sites)}
        self._alike = Counter((site.level, site.heads) for site in record.layout.sites)
        self._visits = {side: visits.numpy() for side, visits in record.site_visits.items()}
        self._waiting: dict[tuple[Any, ...], list[_Waiting]] = {}
        self._begun: set[tuple[Side, int, Site]] = set()
        self._maps: dict[tuple[Side, Site, int, int, int], Tensor] = {}
        self._rows: Rows | None = None
        self._runs: list[tuple[Side, slice, slice]] = []
        self._ones: dict[tuple[torch.device, int], Tensor] = {}

    @torch.no_grad()
    def add(self, call: LayerCall, attention: Attention, weights: Tensor | None = None) -> None:
        """Add a call's probabilities; the attention is left untouched.

        The mean over heads is weighed by `weights` (rows, heads) if there are any. What the sums
        hold is settled by `settle`.
        """
        step, site = call.step, call.site
        for side, images, rows in self._runs_of(step.rows):
            part = attention.unedited(rows) if weights is None else None
            together = self._together(site, part) if part is not None else 1
            if part is None or together < 2:
                self._add_alone(call, attention, side, images, rows, weights)
            else:
                sums, mass = self._sums(side, call, images, attention.query.device)
                self._add_later(_Waiting(part, sums, mass), images, together)
            self._begun.add((side, step.index, site))
            if images.start == 0:
                self._visits[side][step.index, self._places[site]] += 1

    @torch.no_grad()
    def settle(self) -> None:
        """Add what waits still, because a site of its size was not visited."""
        while self._waiting:
            self._add_together(self._waiting.popitem()[1])

    def _runs_of(self, rows: Rows) -> Sequence[tuple[Side, slice, slice]]:
        """The sides that are recorded, each with images and their rows that lie together."""
        if rows is not self._rows:
            sides = self._record.layout.sides
            self._rows, self._runs = rows, [(s, *run) for s in sides for run in rows.runs(s)]
        return self._runs

    def _together(self, site: Site, part: UnformedMap) -> int:
        """How many sites of a size, of which `part` is one's map, are formed and added at once."""
        if part.bias is not None or self._record.layout.rest:
            return 1
        rows, heads, pixels, _ = part.query.shape
        tokens = part.key.shape[2] if part.log_sum is None else self._record.layout.tokens
        most = chunking_on(part.query.device).together // (rows * heads * pixels * tokens)
        return min(most, self._alike[site.level, site.heads])

    def _add_alone(
        self,
        call: LayerCall,
        attention: Attention,
        side: Side,
        images: slice,
        rows: slice,
        weights: Tensor | None,
    ) -> None:
        layout, step, device = self._record.layout, call.step.index, attention.query.device
        sums, masses = self._sums(side, call, images, device)
        tokens = attention.tokens if layout.rest else layout.tokens
        each, most = attention.pixels * attention.formed(rows, tokens), chunking_on(device).formed
        begun = (side, step, call.site) in self._begun
        for some, heads in chunks(rows, attention.heads, each, most):
            columns = self._columns(attention, some, heads).to(sums.dtype)
            first = some.start - rows.start
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
            share = columns.shape[1] / attention.heads
            if share == 1 and not begun:
                torch.mean(columns, (1, 3), out=masses[there])
            else:
                masses[there].add_(columns.mean((1, 3)), alpha=share)

    def _add_later(self, part: _Waiting, images: slice, together: int) -> None:
        """Add a map along with those of other sites, once so many wait."""
        query, key = part.map.query, part.map.key
        alike = images.start, part.sums.shape, query.shape, key.shape, part.map.scale
        waiting = self._waiting.setdefault(alike, [])
        waiting.append(part)
        if len(waiting) == together:
            self._add_together(self._waiting.pop(alike))

    def _add_together(self, waiting: Sequence[_Waiting]) -> None:
        """Form the maps of several sites as one with the rows of all, and add them."""
        maps, sums, masses = zip(*waiting, strict=True)
        totals = [each.log_sum for each in maps if each.log_sum is not None]
        whole = UnformedMap(
            torch.cat([each.query for each in maps]),
            torch.cat([each.key for each in maps]),
            None,
            maps[0].scale,
            log_sum=torch.cat(totals) if totals else None,
        )
        columns = whole.probabilities(tokens=slice(self._record.layout.tokens)).mT
        columns = columns.to(sums[0].dtype).view(len(maps), -1, *columns.shape[1:])
        kept = columns if self._record.layout.heads else columns.mean(2, keepdim=True)
        torch._foreach_add_(list(sums), kept.unbind())
        torch._foreach_add_(list(masses), kept.mean((2, 4)).unbind())

    def _sums(
        self, side: Side, call: LayerCall, images: slice, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """A site's sums of the present bin (images, heads or 1, columns, pixels), and its mass."""
        record, site, step = self._record, call.site, call.step.index
        cell = side, site, record.layout.bin(step), images.start, images.stop
        if cell not in self._maps:
            key = side, site.name
            record.maps[key] = record.maps[key].to(device)
            self._maps[cell] = record.maps[key][images, cell[2]].mT
            record.mass[side] = record.mass[side].to(device)
        return self._maps[cell], record.mass[side][step, self._places[site], images]

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
