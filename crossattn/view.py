"""A part of a record: one side, one image, some steps, sites and heads of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from crossattn.errors import TraceError
from crossattn.record import Record, Side
from crossattn.site import Layers, Site, is_among


@dataclass(frozen=True)
class View:
    """What of `record` is looked at: nothing is copied. `heads` None is all of them."""

    record: Record
    sites: tuple[Site, ...]
    bins: tuple[int, ...]
    heads: tuple[int, ...] | None = None
    side: Side = "positive"
    image: int | None = None

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
            places = dict.fromkeys(site.place for site in self.sites)
            raise TraceError(
                f"at(layers={layers!r}, resolution={resolution!r}) leaves no site; there are "
                f"{', '.join(places)}, at {', '.join(f'{h} × {w}' for h, w in grids)}."
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
    def steps(self) -> list[int]:
        """The steps of the view at which the model was run."""
        layout, visits = self.record.layout, self.record.visits
        return [i for i in range(layout.steps) if layout.bin(i) in self.bins and visits[i] > 0]

    @property
    def visits(self) -> float:
        """Runs of the model that the sums of the view are made of."""
        return float(self.record.visits[self.steps].sum())

    def sums(self, site: Site, tokens: Sequence[int]) -> Tensor:
        """Probabilities summed over the view's visits and over `tokens`: (heads, height, width)."""
        maps = self.record.maps[self.side, site.name][self.one_image, list(self.bins)]
        if self.heads is not None:
            maps = maps[:, list(self.heads)]
        return torch.unflatten(maps[..., list(tokens)].sum((0, -1)), -1, self.grid(site))

    def profile(self, tokens: Sequence[int]) -> Tensor:
        """The share of attention of `tokens` at each step, over the view's sites: (steps,)."""
        layout = self.record.layout
        sites = [layout.sites.index(site) for site in self.sites]
        mass = self.record.mass[self.side][self.steps][:, sites, self.one_image]
        return mass[..., list(tokens)].sum(-1).mean(-1) / self.record.visits[self.steps]
