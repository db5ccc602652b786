"""Summing attention into a record: in chunks that fit a CPU's cache, or in few launches."""

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


class _Place:
    """Where a record keeps one site's sums and masses of some images, on a device from now on.

    `sums` has each bin's (images, heads or 1, columns, pixels); `mass` is (steps, images, columns).
    `step` is the last that was added.
    """

    def __init__(
        self, record: Record, side: Side, site: Site, images: slice, device: torch.device
    ) -> None:
        key, self.number = (side, site.name), record.layout.sites.index(site)
        record.maps[key] = record.maps[key].to(device)
        record.mass[side] = record.mass[side].to(device)
        self.sums = record.maps[key][images].mT.unbind(1)
        self.mass = record.mass[side][:, self.number, images]
        self.step = -1


class _Waiting(NamedTuple):
    """A site's map of some rows, and the step that it is of."""

    map: UnformedMap
    place: _Place
    step: int


class _Group(NamedTuple):
    """Maps of one size, of which `most` are added at once; if `fused`, no site's twice."""

    most: int
    fused: bool
    waiting: list[_Waiting]


class Sums:
    """Adds what pixels attend with to the sums of a record.

    Maps of one size, of several sites and steps, wait for each other and are formed and added at
    once, as many as a chunk holds. A site alone takes at most six launches on a device, all rows
    and heads at once: queries and keys widened, their product, its softmax, and the means over
    heads and over pixels. Sums go to the device at the first call and stay: fetching each call's
    would stall it.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._visits = {side: visits.numpy() for side, visits in record.site_visits.items()}
        self._places: dict[tuple[Side, str, int, int], _Place] = {}
        self._groups: dict[tuple[Any, ...], _Group] = {}
        self._rows: Rows | None = None
        self._runs: list[tuple[Side, slice, slice]] = []
        self._ones: dict[tuple[torch.device, int], Tensor] = {}

    def add(self, call: LayerCall, attention: Attention, weights: Tensor | None = None) -> None:
        """Add a call's probabilities; the attention is left untouched.

        The mean over heads is weighed by `weights` (rows, heads) if there are any. What the sums
        hold is settled by `settle`.
        """
        step, device = call.step.index, attention.query.device
        for side, images, rows in self._runs_of(call.step.rows):
            key = side, call.site.name, images.start, images.stop
            if (place := self._places.get(key)) is None:
                place = _Place(self._record, side, call.site, images, device)
                self._places[key] = place
            if weights is not None or not self._add_later(step, attention, place, rows):
                self._add_alone(step, attention, place, rows, weights)
            place.step = step
            if images.start == 0:
                self._visits[side][step, place.number] += 1

    def settle(self) -> None:
        """Add what waits still."""
        for group in self._groups.values():
            if group.waiting:
                self._add_together(group.waiting)

    def _runs_of(self, rows: Rows) -> Sequence[tuple[Side, slice, slice]]:
        """The sides that are recorded, each with images and their rows that lie together."""
        if rows is not self._rows:
            sides = self._record.layout.sides
            self._rows, self._runs = rows, [(s, *run) for s in sides for run in rows.runs(s)]
        return self._runs

    @torch.no_grad()
    def _add_alone(
        self,
        step: int,
        attention: Attention,
        place: _Place,
        rows: slice,
        weights: Tensor | None,
    ) -> None:
        layout, device = self._record.layout, attention.query.device
        sums, mass = place.sums[layout.bin(step)], place.mass[step]
        tokens = attention.tokens if layout.rest else layout.tokens
        each, most = attention.pixels * attention.formed(rows, tokens), chunking_on(device).formed
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
            if share == 1 and place.step != step:
                torch.mean(columns, (1, 3), out=mass[there])
            else:
                mass[there].add_(columns.mean((1, 3)), alpha=share)

    def _add_later(self, step: int, attention: Attention, place: _Place, rows: slice) -> bool:
        """Have a map wait for others of its size, if it may, and add them once they are enough."""
        part = None if self._record.layout.rest else attention.unedited(rows)
        if part is None or part.bias is not None:
            return False
        size = part.query.shape, part.key.shape, part.scale, part.log_sum is None
        if (group := self._groups.get(size)) is None:
            group = self._groups[size] = self._group(part)
        if group.most < 2:
            return False
        if part.query.requires_grad or part.key.requires_grad:
            part = part._replace(query=part.query.detach(), key=part.key.detach())
        if group.fused and any(each.place is place for each in group.waiting):
            self._add_together(group.waiting)
        group.waiting.append(_Waiting(part, place, step))
        if len(group.waiting) == group.most:
            self._add_together(group.waiting)
        return True

    def _group(self, part: UnformedMap) -> _Group:
        """For maps of the size of `part`."""
        chunking, layout = chunking_on(part.query.device), self._record.layout
        tokens = part.key.shape[2] if part.log_sum is None else layout.tokens
        logits = part.query.shape[:-1].numel() * tokens
        each = logits + part.query.numel() + part.key.numel()
        return _Group(chunking.together // each, chunking.fused, [])

    @torch.no_grad()
    def _add_together(self, waiting: list[_Waiting]) -> None:
        """Form maps as one with the rows of all, and add them."""
        layout, maps = self._record.layout, [each.map for each in waiting]
        totals = [each.log_sum for each in maps if each.log_sum is not None]
        whole = UnformedMap(
            torch.cat([each.query for each in maps]),
            torch.cat([each.key for each in maps]),
            None,
            maps[0].scale,
            log_sum=torch.cat(totals) if totals else None,
        )
        columns = whole.probabilities(tokens=slice(layout.tokens)).mT
        sums = [each.place.sums[layout.bin(each.step)] for each in waiting]
        columns = columns.to(sums[0].dtype).view(len(maps), -1, *columns.shape[1:])
        kept = columns if layout.heads else columns.mean(2, keepdim=True)
        torch._foreach_add_(sums, kept.unbind())
        masses = [each.place.mass[each.step] for each in waiting]
        torch._foreach_add_(masses, kept.mean((2, 4)).unbind())
        waiting.clear()

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
