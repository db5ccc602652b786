"""Asking a record: by word, phrase, occurrence, token, step, layer, head, image and side."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from crossattn.aggregation import JOINS
from crossattn.errors import TraceError, WordNotFoundError
from crossattn.heatmap import HeatMap
from crossattn.record import Record
from crossattn.site import Layers
from crossattn.view import View
from crossattn.words import Prompt, Word


@dataclass(frozen=True)
class Trace:
    """What a recorder returns: `trace["car"]` is the map of a word.

    `image`, `negative`, `at`, `by` and `over` give other traces of the same record, and copy
    nothing. A map is joined from heads and sites (see `by`), of means over steps summed over the
    word's tokens.
    """

    view: View
    join: Literal["semantic", "mean", "daam"] = "semantic"
    whole: Literal["tokens", "words"] = "tokens"

    @classmethod
    def of(cls, record: Record) -> "Trace":
        """All of a record."""
        return cls(View.whole(record))

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a saved trace; raises `TraceError` if the file is none."""
        return cls.of(Record.load(path))

    def save(self, path: str | Path) -> None:
        """Write the whole record as one safetensors file, its layout as JSON in the header."""
        path = Path(path)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(self.view.record.to_bytes())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @property
    def nbytes(self) -> int:
        """Bytes that the whole record takes."""
        return self.view.record.layout.nbytes

    @property
    def images(self) -> int:
        """Images in the record."""
        return self.view.record.layout.images

    def image(self, index: int) -> "Trace":
        """One image of the batch; raises `TraceError` if there is none such."""
        if not 0 <= index < self.images:
            raise TraceError(f"image({index}): the trace holds images 0 to {self.images - 1}.")
        return replace(self, view=replace(self.view, image=index))

    @property
    def negative(self) -> "Trace":
        """The negative prompt's side; raises `TraceError` if it was not recorded."""
        if "negative" not in self.view.record.layout.sides:
            raise TraceError("The negative prompt was not recorded: use Recorder(negative=True).")
        return replace(self, view=replace(self.view, side="negative"))

    def at(
        self,
        *,
        steps: slice | int | None = None,
        layers: Layers | None = None,
        heads: int | Iterable[int] | None = None,
        resolution: tuple[int, int] | int | None = None,
    ) -> "Trace":
        """A part of it; raises `TraceError` for what was not recorded or leaves nothing.

        `steps` is a step or a slice of them, on the edges of the recorded bins; `layers` names
        blocks or sites ("up", "down.1", a full name), or is a test of a `Site`; `heads` are head
        numbers; `resolution` is a grid's (height, width), or its longer side.
        """
        view = self.view
        if steps is not None:
            view = view.at_steps(steps)
        if layers is not None or resolution is not None:
            view = view.at_sites(layers, resolution)
        if heads is not None:
            view = view.at_heads(heads)
        return replace(self, view=view)

    def by(self, join: Literal["semantic", "mean", "daam"]) -> "Trace":
        """The same with another way of joining sites into one map (see `crossattn.aggregation`).

        "semantic", the default, finds objects best; "mean" keeps shares that add up to 1; "daam"
        is DAAM's. Raises `TraceError` for another name.
        """
        _check_name(join, JOINS)
        return replace(self, join=join)

    def over(self, whole: Literal["tokens", "words"]) -> "Trace":
        """The same with maps as shares of all tokens, or of the prompt's words alone.

        Raises `TraceError` for another name.
        """
        _check_name(whole, ("tokens", "words"))
        return replace(self, whole=whole)

    def __getitem__(self, text: str) -> HeatMap:
        """The map of a word, all its occurrences together, or of a phrase.

        Raises `WordNotFoundError` for what the prompt does not have.
        """
        return self._of(text, self.prompt.named(text))

    def word(self, text: str, occurrence: int = 1) -> HeatMap:
        """The map of one occurrence of a word, counted from 1."""
        return self._of(text, (self.prompt.word(text, occurrence),))

    def phrase(self, text: str, occurrence: int = 1) -> HeatMap:
        """The map of words that stand together, one occurrence of them, counted from 1."""
        return self._of(text, self.prompt.phrase(text, occurrence))

    def token(self, index: int) -> HeatMap:
        """The map of one token, counted from the start token at 0."""
        if not 0 <= index < self.view.record.layout.tokens:
            raise WordNotFoundError(
                f"token({index}): recorded are tokens 0 to {self.view.record.layout.tokens - 1}."
            )
        return self._heat(f"token {index}", (index,))

    @property
    def start(self) -> HeatMap:
        """The map of the start token."""
        return replace(self.token(0), text="start")

    @property
    def end(self) -> HeatMap:
        """The map of the first end token."""
        return replace(self.token(self._length - 1), text="end")

    @property
    def padding(self) -> HeatMap:
        """The map of everything behind the end token: what is missing to 1, joined by "mean"."""
        owned = replace(self, join="mean", whole="tokens")._heat("", range(self._length))
        return HeatMap("padding", (1 - owned.data).clamp(min=0), max(0.0, 1 - owned.mass))

    @property
    def words(self) -> tuple[HeatMap, ...]:
        """The map of each word of the prompt that the model has read, in order."""
        return tuple(self._of(word.text, (word,)) for word in self._read)

    @property
    def mass(self) -> tuple[tuple[Word, float], ...]:
        """Each word that the model has read, with its share of all attention, 0 to 1."""
        return tuple((word, self._mass(word.tokens[0])) for word in self._read)

    def profile(self, text: str) -> Tensor:
        """A word's or phrase's share of all attention at each step: (steps,)."""
        return self.view.profile([t for word in self.prompt.named(text) for t in word.tokens[0]])

    @property
    def prompt(self) -> Prompt:
        """The prompt that this trace is of; raises `TraceError` if `attach` was given none."""
        layout = self.view.record.layout
        positive = self.view.side == "positive"
        prompts = layout.prompts if positive else layout.negative_prompts
        if not prompts:
            raise TraceError("No prompt was given to attach, so words are unknown: ask by token.")
        return prompts[min(layout.prompt_of[self.view.one_image], len(prompts) - 1)]

    @property
    def _length(self) -> int:
        return len(self.prompt.encodings[0].tokens)

    @property
    def _read(self) -> list[Word]:
        return [word for word in self.prompt.words if word.tokens[0]]

    def _of(self, text: str, words: Sequence[Word]) -> HeatMap:
        tokens = [token for word in words for token in word.tokens[0]]
        if not tokens:
            raise WordNotFoundError(f"{text!r} fell off the end of the prompt: shorten the prompt.")
        return self._heat(text, tokens)

    def _heat(self, text: str, tokens: Sequence[int]) -> HeatMap:
        join = JOINS[self.join]
        data = join(self.view, tokens)
        if self.whole == "words":
            owned = [token for word in self._read for token in word.tokens[0]]
            data = data / join(self.view, owned).clamp(min=torch.finfo(data.dtype).tiny)
        return HeatMap(text, data, self._mass(tokens))

    def _mass(self, tokens: Sequence[int]) -> float:
        return float(self.view.profile(tokens).mean())


def _check_name(name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise TraceError(f"{name!r} is unknown here: choose among {', '.join(names)}.")
