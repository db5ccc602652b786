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
from crossattn.word_spans import quoted
from crossattn.word_tokens import Encoding
from crossattn.words import Prompt, Word, token_positions


@dataclass(frozen=True)
class Trace:
    """What a recorder returns: `trace["car"]` is the map of a word.

    `image`, `frame`, `negative`, `at`, `by` and `over` give other traces of the same record, and
    copy nothing. A map is joined from heads and sites (see `by`), of means over steps summed over
    the word's tokens.
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
        """Write the whole record as one safetensors file, its layout as JSON in the header.

        Raises `TraceError` if the folder is missing.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise TraceError(
                f"Cannot write {path}: there is no folder {path.parent}; make it first."
            )
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
    def frames(self) -> int:
        """Frames in the record, as the model sees them apart: 1 for a picture."""
        return self.view.record.layout.frames

    def frame(self, index: int) -> "Trace":
        """One frame of a video, in latent frames; raises `TraceError` if there is none such."""
        if not 0 <= index < self.frames:
            raise TraceError(f"frame({index}): the trace holds frames 0 to {self.frames - 1}.")
        return replace(self, view=replace(self.view, frame=index))

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
        """The map of the start token; raises `TraceError` where the encoder has none."""
        return self._special("start", self._encoding.start)

    @property
    def end(self) -> HeatMap:
        """The map of the end token; raises `TraceError` where the encoder has none."""
        return self._special("end", self._encoding.end)

    @property
    def padding(self) -> HeatMap:
        """The map of all text that is not the prompt's, joined by "mean".

        That is what stands behind the end token, and zeros in the place of an encoder left out.
        """
        plain = replace(self, join="mean", whole="tokens")
        layout = self.view.record.layout
        owned = sorted({t.index for each in self.prompt.encodings for t in each.tokens})
        if layout.rest:
            others = [column for column in range(layout.columns) if column not in owned]
            return plain._heat("padding", others)
        heat = plain._heat("", owned)
        return HeatMap("padding", (1 - heat.data).clamp(min=0), max(0.0, 1 - heat.mass))

    @property
    def template(self) -> HeatMap:
        """The map of the words that the pipeline puts around the prompt, joined by "mean".

        Raises `TraceError` where it puts none.
        """
        within = {each.end for each in self.prompt.encodings} | {
            each.start for each in self.prompt.encodings
        }
        tokens = sorted(
            token.index
            for each in self.prompt.encodings
            for token in each.tokens
            if token.special and token.index not in within
        )
        if not tokens:
            raise TraceError("The pipeline puts no words around the prompt, so none have a map.")
        return replace(self, join="mean", whole="tokens")._heat("template", tokens)

    @property
    def pixels(self) -> HeatMap:
        """The map of what pixels give each other: what the text leaves of 1, joined by "mean".

        Raises `TraceError` where pixels attend to the text alone (models of cross-attention).
        """
        layout = self.view.record.layout
        if not layout.rest:
            raise TraceError(
                "Pixels attend to the text alone in this model: no map is of the picture itself."
            )
        plain = replace(self, join="mean", whole="tokens")
        text = plain._heat("", range(layout.columns))
        return HeatMap("pixels", (1 - text.data).clamp(min=0), max(0.0, 1 - text.mass))

    @property
    def words(self) -> tuple[HeatMap, ...]:
        """The map of each word of the prompt that the model has read, in order."""
        return tuple(self._of(word.text, (word,)) for word in self._read)

    @property
    def mass(self) -> tuple[tuple[Word, float], ...]:
        """Each word that the model has read, with its share of all attention, 0 to 1."""
        return tuple((word, self.view.mass(token_positions([word]))) for word in self._read)

    def profile(self, text: str) -> Tensor:
        """A word's or phrase's share of all attention at each step, in all frames: (steps,)."""
        return self.view.profile(token_positions(self.prompt.named(text)))

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
    def _encoding(self) -> Encoding:
        return self.prompt.encodings[0]

    @property
    def _read(self) -> list[Word]:
        return [word for word in self.prompt.words if token_positions([word])]

    def _special(self, name: str, position: int | None) -> HeatMap:
        if position is None:
            raise TraceError(
                f'The encoder "{self._encoding.name}" has no {name} token to give a map of.'
            )
        return replace(self.token(position), text=name)

    def _of(self, text: str, words: Sequence[Word]) -> HeatMap:
        tokens = token_positions(words)
        if not tokens:
            raise WordNotFoundError(f"{quoted(text)} fell off the end: shorten the prompt.")
        return self._heat(text, tokens)

    def _heat(self, text: str, tokens: Sequence[int]) -> HeatMap:
        join = JOINS[self.join]
        data = join(self.view, tokens)
        if self.whole == "words":
            owned = join(self.view, token_positions(self._read))
            data = torch.where(owned > 0, data / owned, 0.0)
        crop = self.view.record.layout.crop
        return HeatMap(text, data if crop is None else crop.place(data), self.view.mass(tokens))


def _check_name(name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise TraceError(f"{quoted(name)} is unknown here: choose among {', '.join(names)}.")
