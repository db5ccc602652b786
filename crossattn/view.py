"""A part of a record: one side, one image, some steps, sites and heads of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from crossattn.errors import TraceError
from crossattn.record import Record, Side
from crossattn.site import Layers, Site, is_among


@dataclass(frozen=True)
class View:
    """What of `record` is looked at: nothing is copied. `heads` None is all of them.

    `image` and `frame` None are the only one that there is.
    """

    record: Record
    sites: tuple[Site, ...]
    bins: tuple[int, ...]
    heads: tuple[int, ...] | None = None
    side: Side = "positive"
    image: int | None = None
    frame: int | None = None

    @classmethod
    def whole(cls, record: Record) -> "View":
        """All of a record, seen from its positive side."""
        return cls(record, record.layout.sites, tuple(range(record.layout.bins)))

    # Narrowing

    def at_steps(self, steps: slice | int) -> "View":
        """Only those steps; raises `TraceError` unless recorded bins begin and end there."""
        layout = self.record.layout
        count = range(layout.steps)
        chosen = count[slice(steps, steps + 1 or None) if isinstance(steps, int) else steps]
        asked = {step for step in chosen if layout.bin(step) in self.bins}
        if not asked:
            raise TraceError(
                f"at(steps={steps}) leaves no step; there are steps 0 to {layout.steps - 1}."
            )
        bins = tuple(sorted({layout.bin(step) for step in asked}))
        held = {step for step in count if layout.bin(step) in bins}
        if held != asked:
            edges = [i for i in count if i == 0 or layout.bin(i) != layout.bin(i - 1)]
            raise TraceError(
                f"at(steps={steps}): the {layout.steps} steps were kept in {layout.bins} group(s) "
                f"that begin at {', '.join(map(str, edges))}; Recorder(bins=...) keeps more."
            )
        return replace(self, bins=bins)

    def at_sites(self, layers: Layers | None, resolution: tuple[int, int] | int | None) -> "View":
        """Only sites so named (or passing a test) and of that grid; raises if none is left."""
        chosen = tuple(site for site in self.sites if is_among(site, layers))
        if isinstance(resolution, int):
            chosen = tuple(site for site in chosen if max(self.grid(site)) == resolution)
        elif resolution is not None:
            chosen = tuple(site for site in chosen if self.grid(site) == tuple(resolution))
        if not chosen:
            grids = sorted({self.grid(site) for site in self.sites}, reverse=True)
            blocks = dict.fromkeys(site.block for site in self.sites)
            raise TraceError(
                f"at(layers={layers!r}, resolution={resolution!r}) leaves no site; there are "
                f"{', '.join(blocks)}, at {', '.join(f'{h} × {w}' for h, w in grids)}."
            )
        return replace(self, sites=chosen)

    def at_heads(self, heads: int | Iterable[int]) -> "View":
        """Only those heads; raises `TraceError` if they were not kept or do not exist."""
        asked = (heads,) if isinstance(heads, int) else tuple(heads)
        if not self.record.layout.heads:
            raise TraceError("Heads were averaged while recording: use Recorder(heads=True).")
        held = self.heads or range(min(site.heads for site in self.sites))
        if not asked or not all(head in held for head in asked):
            names = ", ".join(map(str, held))
            raise TraceError(f"at(heads={heads}): the heads of every chosen site are {names}.")
        return replace(self, heads=asked)

    # Reading

    def grid(self, site: Site) -> tuple[int, int]:
        """A site's (height, width)."""
        return site.grid(self.record.layout.height, self.record.layout.width)

    @property
    def one_image(self) -> int:
        """The image that is looked at; raises `TraceError` if there are several to choose from."""
        images = self.record.layout.images
        if self.image is None and images > 1:
            raise TraceError(f"The trace holds {images} images: choose one with trace.image(0).")
        return self.image or 0

    @property
    def one_frame(self) -> int:
        """The frame that is looked at; raises `TraceError` if there are several to choose from."""
        frames = self.record.layout.frames
        if self.frame is None and frames > 1:
            raise TraceError(f"The trace holds {frames} frames: choose one with trace.frame(0).")
        return self.frame or 0

    @property
    def steps(self) -> list[int]:
        """The steps of the view at which a site of it was computed."""
        seen = self._visits.sum(1) > 0
        return [step for step in self._held if seen[step]]

    @property
    def visits(self) -> float:
        """The most visits that the sums of any site of the view are made of."""
        return float(self._visits[self._held].sum(0).max())

    @property
    def visited(self) -> tuple[Site, ...]:
        """The sites of the view that were computed; raises `TraceError` if none was."""
        counts = self._visits[self._held].sum(0)
        sites = tuple(site for site, count in zip(self.sites, counts, strict=True) if count > 0)
        if not sites:
            raise TraceError(
                f"The {self.side} side was not computed at the steps and sites that were asked for."
            )
        return sites

    def sums(self, site: Site, tokens: Sequence[int]) -> Tensor:
        """Probabilities summed over the view's visits and over `tokens`: (heads, height, width)."""
        maps = self.record.maps[self.side, site.name][self.one_image, list(self.bins)]
        if self.heads is not None:
            maps = maps[:, list(self.heads)]
        summed = maps[..., list(tokens)].sum((0, -1))
        frames = torch.unflatten(summed, -1, (self.record.layout.frames, *self.grid(site)))
        return frames[:, self.one_frame]

    def mean(self, site: Site, tokens: Sequence[int]) -> Tensor:
        """Probabilities of a visited site, a mean over its visits: (heads, height, width)."""
        return self.sums(site, tokens) / self._visits[self._held, self.sites.index(site)].sum()

    def mass(self, tokens: Sequence[int]) -> float:
        """The share of attention of `tokens`, 0 to 1: a mean over visits, then over sites.

        It is that of the whole video unless a frame is chosen.
        """
        if self.frame is not None and self.record.layout.frames > 1:
            return float(torch.stack([self.mean(s, tokens).mean() for s in self.visited]).mean())
        visited = [self.sites.index(site) for site in self.visited]
        each = self._mass(tokens)[self._held].sum(0) / self._visits[self._held].sum(0)
        return float(each[visited].mean())

    def profile(self, tokens: Sequence[int]) -> Tensor:
        """The share of attention of `tokens` at each of `steps`, over the sites computed there."""
        counts, sums = self._visits[self.steps], self._mass(tokens)[self.steps]
        shares = sums / counts.clamp(min=1)
        return shares.sum(1) / (counts > 0).sum(1)

    @cached_property
    def _held(self) -> list[int]:
        layout = self.record.layout
        return [step for step in range(layout.steps) if layout.bin(step) in self.bins]

    @cached_property
    def _columns(self) -> list[int]:
        return [self.record.layout.sites.index(site) for site in self.sites]

    @property
    def _visits(self) -> Tensor:
        return self.record.site_visits[self.side][:, self._columns]

    def _mass(self, tokens: Sequence[int]) -> Tensor:
        mass = self.record.mass[self.side][:, self._columns, self.one_image]
        return mass[..., list(tokens)].sum(-1)
