"""Asking a record: by word, phrase, occurrence, token, step, layer, head, image and side."""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from crossattn.errors import TraceError, WordNotFoundError
from crossattn.heatmap import HeatMap, resize
from crossattn.record import Record, Side
from crossattn.sites import Site
from crossattn.words import Prompt, Word

Recipe = Literal["semantic", "mean", "daam"]
Over = Literal["tokens", "words"]


@dataclass(frozen=True)
class Trace:
    """A record seen from one side: `trace["car"]` is the map of a word.

    `at`, `image`, `negative`, `by` and `over` give narrower or other views of the same record;
    nothing is copied. A map is a mean over steps, heads and sites, summed over a word's tokens.
    """

    record: Record
    side: Side = "positive"
    index: int | None = None
    bins: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    sites: tuple[Site, ...] = ()
    recipe: Recipe = "semantic"
    normaliser: Over = "tokens"

    def __post_init__(self) -> None:
        if not self.sites:
            object.__setattr__(self, "sites", self.record.layout.sites)

    # Which part of the record

    def image(self, index: int) -> "Trace":
        """The view of one image of the batch; raises `TraceError` if there is none such."""
        if not 0 <= index < self.images:
            raise TraceError(f"image({index}): the trace holds images 0 to {self.images - 1}.")
        return replace(self, index=index)

    @property
    def images(self) -> int:
        """Images in the record."""
        return self.record.layout.images

    @property
    def negative(self) -> "Trace":
        """The view of the negative prompt; raises `TraceError` if it was not recorded."""
        if "negative" not in self.record.layout.sides:
            raise TraceError("The negative prompt was not recorded: use Recorder(negative=True).")
        return replace(self, side="negative")

    def at(
        self,
        *,
        steps: slice | int | None = None,
        layers: str | Iterable[str] | Callable[[Site], bool] | None = None,
        heads: int | Iterable[int] | None = None,
        resolution: tuple[int, int] | int | None = None,
    ) -> "Trace":
        """A narrower view.

        `steps` is a step or a slice of them, which must fall on the edges of the recorded bins;
        `layers` names sites by their beginning ("up", "down.1" or a full name), or is a test;
        `heads` are head numbers; `resolution` a grid's (height, width), or its longer side.
        Raises `TraceError` for what was not recorded or leaves nothing.
        """
        view = self
        if steps is not None:
            view = replace(view, bins=self._bins(steps))
        chosen = view.sites
        if layers is not None:
            names = (layers,) if isinstance(layers, str) else layers
            test = names if callable(names) else _named(tuple(names))
            chosen = tuple(site for site in chosen if test(site))
        if resolution is not None:
            chosen = tuple(site for site in chosen if self._has(site, resolution))
        if not chosen:
            grids = sorted({self.grid(site) for site in self.sites})
            raise TraceError(
                f"at(layers={layers!r}, resolution={resolution!r}) leaves no site; recorded are "
                f"{', '.join(sorted({s.place for s in self.sites}))} at "
                f"{', '.join(f'{h} × {w}' for h, w in grids)}."
            )
        if heads is not None:
            view = replace(view, heads=self._heads(heads, chosen))
        return replace(view, sites=chosen)

    def by(self, recipe: Recipe) -> "Trace":
        """The same view with another way of joining sites into one map.

        "semantic" (the default) takes the grids whose area is nearest to 16 × 16; "mean" takes all
        alike; "daam" is Tang et al. 2022: the down and up blocks above the coarsest grid, summed
        over steps, each head up-sampled by itself (record with heads=True), a word's tokens
        averaged.
        """
        return replace(self, recipe=recipe)

    def over(self, normaliser: Over) -> "Trace":
        """The same view with maps as shares of all "tokens", or of the prompt's "words" alone."""
        return replace(self, normaliser=normaliser)

    # What is asked of it

    def __getitem__(self, text: str) -> HeatMap:
        """The map of a word, all its occurrences together; raises `WordNotFoundError`."""
        return self._of(text, self.prompt.find(text))

    def word(self, text: str, occurrence: int = 1) -> HeatMap:
        """The map of one occurrence of a word, counted from 1."""
        return self._of(text, (self.prompt.word(text, occurrence),))

    def phrase(self, text: str) -> HeatMap:
        """The map of words that stand together."""
        return self._of(text, self.prompt.phrase(text))

    def token(self, index: int) -> HeatMap:
        """The map of one token, counted from the start token at 0."""
        if not 0 <= index < self.record.layout.tokens:
            raise WordNotFoundError(
                f"token({index}): recorded are tokens 0 to {self.record.layout.tokens - 1}."
            )
        return self._heat(f"token {index}", (index,))

    @property
    def start(self) -> HeatMap:
        """The map of the start token."""
        return self.token(0)

    @property
    def end(self) -> HeatMap:
        """The map of the first end token."""
        return self.token(len(self.prompt.encodings[0].tokens) - 1)

    @property
    def padding(self) -> HeatMap:
        """The map of everything behind the end token: what is missing to 1."""
        owned = self._heat("", range(len(self.prompt.encodings[0].tokens)))
        return HeatMap("padding", (1 - owned.data).clamp(min=0), max(0.0, 1 - owned.mass))

    @property
    def words(self) -> tuple[HeatMap, ...]:
        """The map of each word of the prompt that the model has read, in order."""
        return tuple(self._of(word.text, (word,)) for word in self._read())

    @property
    def mass(self) -> tuple[tuple[Word, float], ...]:
        """Each word with its share of all attention, 0 to 1."""
        return tuple((word, self._mass(word.tokens[0])) for word in self._read())

    def profile(self, text: str) -> Tensor:
        """The share of attention of a word at each step of the view: (steps,)."""
        tokens = [t for word in self.prompt.find(text) for t in word.tokens[0]]
        return self._profile(tokens)

    @property
    def prompt(self) -> Prompt:
        """The prompt that this view is of; raises `TraceError` if none was given to `attach`."""
        layout = self.record.layout
        prompts = layout.prompts if self.side == "positive" else layout.negative_prompts
        if not prompts:
            raise TraceError("No prompt was given to attach, so words are unknown: ask by token.")
        return prompts[min(layout.prompt_of[self._image], len(prompts) - 1)]

    @property
    def nbytes(self) -> int:
        """Bytes that the whole record takes."""
        return self.record.layout.nbytes

    def save(self, path: str | Path) -> None:
        """Write the whole record as one safetensors file with its layout as JSON in the header."""
        path = Path(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.record.to_bytes())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a saved trace; raises `TraceError` if the file is none."""
        return cls(Record.load(path))

    def grid(self, site: Site) -> tuple[int, int]:
        """A site's (height, width) in this record."""
        return site.grid(self.record.layout.height, self.record.layout.width)

    # How it is answered

    @property
    def _image(self) -> int:
        if self.index is None and self.images > 1:
            raise TraceError(f"The trace holds {self.images} images: choose one, trace.image(0).")
        return self.index or 0

    def _read(self) -> list[Word]:
        return [word for word in self.prompt.words if word.tokens[0]]

    def _of(self, text: str, words: Sequence[Word]) -> HeatMap:
        tokens = [token for word in words for token in word.tokens[0]]
        if not tokens:
            raise WordNotFoundError(f"{text!r} fell off the end of the prompt: shorten the prompt.")
        return self._heat(text, tokens)

    def _heat(self, text: str, tokens: Sequence[int]) -> HeatMap:
        data = self._map(tokens)
        if self.normaliser == "words":
            owned = [token for word in self._read() for token in word.tokens[0]]
            data = data / self._map(owned).clamp(min=torch.finfo(torch.float32).tiny)
        return HeatMap(text, data, self._mass(tokens))

    def _mass(self, tokens: Sequence[int]) -> float:
        return float(self._profile(tokens).mean())

    def _profile(self, tokens: Sequence[int]) -> Tensor:
        layout = self.record.layout
        sites = [layout.sites.index(site) for site in self.sites]
        steps = [i for i in range(layout.steps) if layout.bin(i) in self._selected_bins]
        visited = [i for i in steps if self.record.visits[i] > 0]
        mass = self.record.mass[self.side][visited][:, sites, self._image][..., list(tokens)]
        return mass.sum(-1).mean(-1) / self.record.visits[visited]

    @property
    def _selected_bins(self) -> tuple[int, ...]:
        return self.bins if self.bins is not None else tuple(range(self.record.layout.bins))

    def _visits(self) -> float:
        layout = self.record.layout
        return sum(
            float(self.record.visits[i])
            for i in range(layout.steps)
            if layout.bin(i) in self._selected_bins
        )

    def _site_map(self, site: Site, tokens: Sequence[int]) -> Tensor:
        """Summed over the view's steps and the tokens: (heads or 1, height, width)."""
        maps = self.record.maps[self.side, site.name][self._image, list(self._selected_bins)]
        if self.heads is not None:
            maps = maps[:, list(self.heads)]
        return maps[..., list(tokens)].sum((0, -1)).unflatten(-1, self.grid(site))

    def _map(self, tokens: Sequence[int]) -> Tensor:
        layout = self.record.layout
        size = layout.height, layout.width
        if self.recipe == "daam":
            return self._daam(tokens, *size)
        chosen = self.sites if self.recipe == "mean" else self._semantic()
        by_grid: dict[tuple[int, int], list[Tensor]] = {}
        for site in chosen:
            by_grid.setdefault(self.grid(site), []).append(self._site_map(site, tokens).mean(0))
        total = torch.zeros(size)
        for maps in by_grid.values():
            total += resize(torch.stack(maps).sum(0), *size)
        return total / (len(chosen) * max(self._visits(), 1))

    def _semantic(self) -> tuple[Site, ...]:
        def distance(site: Site) -> float:
            height, width = self.grid(site)
            return max(height * width / 256, 256 / (height * width))

        nearest = min(map(distance, self.sites))
        return tuple(site for site in self.sites if distance(site) == nearest)

    def _daam(self, tokens: Sequence[int], height: int, width: int) -> Tensor:
        if not self.record.layout.heads:
            raise TraceError('by("daam") up-samples each head by itself: use Recorder(heads=True).')
        sites = [s for s in self.sites if s.place != "mid" and s.level < 3]
        each = [
            resize(self._site_map(site, (token,)), height, width)
            for site in sites
            for token in tokens
        ]
        return torch.cat(each).mean(0)

    def _bins(self, steps: slice | int) -> tuple[int, ...]:
        layout = self.record.layout
        if isinstance(steps, int):
            steps = slice(steps, steps + 1) if steps >= 0 else slice(steps, steps + 1 or None)
        asked = set(range(layout.steps)[steps])
        bins = sorted({layout.bin(i) for i in asked})
        held = {i for i in range(layout.steps) if layout.bin(i) in bins}
        if not asked or held != asked:
            edges = sorted(
                i for i in range(layout.steps) if i == 0 or layout.bin(i) != layout.bin(i - 1)
            )
            raise TraceError(
                f"at(steps={steps}): the {layout.steps} steps were kept in {layout.bins} group(s) "
                f"that begin at {', '.join(map(str, edges))}; use Recorder(bins=...) for finer ones."
            )
        return tuple(bins)

    def _heads(self, heads: int | Iterable[int], sites: Sequence[Site]) -> tuple[int, ...]:
        asked = (heads,) if isinstance(heads, int) else tuple(heads)
        fewest = min(site.heads for site in sites)
        if not self.record.layout.heads:
            raise TraceError("Heads were averaged while recording: use Recorder(heads=True).")
        if not asked or not all(0 <= head < fewest for head in asked):
            raise TraceError(f"at(heads={heads}): every chosen site has heads 0 to {fewest - 1}.")
        return asked

    def _has(self, site: Site, resolution: tuple[int, int] | int) -> bool:
        grid = self.grid(site)
        return (max(grid) if isinstance(resolution, int) else grid) == resolution


def _named(names: tuple[str, ...]) -> Callable[[Site], bool]:
    def test(site: Site) -> bool:
        return any(
            known == name or known.startswith(f"{name}.")
            for name in names
            for known in (site.name, site.place)
        )

    return test
