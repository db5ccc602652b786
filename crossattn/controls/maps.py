"""Prompt-to-prompt's Replace and Refine: the target's words attend where the source's did."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.controls.support import p2p_reference as reference
from crossattn.controls.support.alignment import Alignment, Mode, align
from crossattn.controls.support.edit import OnNothing
from crossattn.controls.support.edit_source import EditSource, FromSource
from crossattn.controls.support.token_positions import positions_by_prompt
from crossattn.controls.support.window import CROSS_WINDOW, Window
from crossattn.session import Session
from crossattn.site import Site
from crossattn.softmax import AttentionMap
from crossattn.step import LayerCall, Step
from crossattn.words import Prompt


class _MapEdit(FromSource):
    """Cross-attention probabilities taken from the source through an alignment of the prompts."""

    mode: ClassVar[Mode]

    def __init__(
        self,
        window: Window = CROSS_WINDOW,
        *,
        words: Mapping[str, Window] | None = None,
        source: EditSource | None = None,
        compat: bool = False,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(source, on_nothing)
        self.window = window
        self.words = dict(words or {})
        self.compat = compat
        self.alignments: dict[int, Alignment] = {}
        self._prompts: dict[int, Prompt] = {}
        self._source: Prompt | None = None
        self._places: dict[str, dict[int, list[int]]] = {}
        self._maps: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._made: dict[Any, tuple[Tensor, Tensor] | None] = {}

    def start(self, session: Session) -> None:
        """Align the prompts; raises `ControlError` or `WordNotFoundError` if they do not fit."""
        super().start(session)
        self._source = self.origin.prompt(session)
        self._prompts = self.targets(session)
        self._maps, self._made = {}, {}
        self._places = {text: positions_by_prompt(self._prompts, text) for text in self.words}
        if self.compat:
            for target in self._prompts.values():
                reference.mapping(self._source, target, self.mode, self._source.encodings[0].limit)
        else:
            self.alignments = {
                number: align(self._source, target, self.mode)
                for number, target in self._prompts.items()
            }

    def acts(self, site: Site, step: Step) -> bool:
        """In its window, or in that of a word."""
        return any(window.contains(step) for window in (self.window, *self.words.values()))

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Mix the source's probabilities into those of each target row."""
        rows = call.step.rows.of_images()
        sources: dict[int, AttentionMap] = {}
        for pair in self.origin.pairs(call.step.rows):
            if pair.image not in rows:
                continue
            if (mixed := self._mixed(pair.prompt, call.step, attention)) is None:
                continue
            keep, matrix = mixed
            if pair.source not in sources:
                sources[pair.source] = self.origin.cross_attention(call, attention, pair.source)
            attention.mix(rows[pair.image], keep, sources[pair.source], matrix)
            self.touch(call)

    def leave(self) -> None:
        """Let go of the model, and of what lies on its device."""
        super().leave()
        self._made = {}

    def _mixed(self, prompt: int, step: Step, attention: Attention) -> tuple[Tensor, Tensor] | None:
        """What a prompt's tokens keep of their own, and the matrix that brings the source's.

        (tokens,) and (source tokens, tokens), made once for each device and for the windows that
        hold at once; None where nothing is brought.
        """
        held = tuple(window.contains(step) for window in (self.window, *self.words.values()))
        tokens, device = attention.tokens, attention.query.device
        key = prompt, held, tokens, device
        if key not in self._made:
            share = torch.full((tokens,), float(held[0]))
            for text, holds in zip(self.words, held[1:], strict=True):
                share[self._places[text].get(prompt, [])] = float(holds)
            matrix, own = self._mapping(prompt, tokens)
            made = (1 - share * (1 - own)).to(device), (matrix * share).to(device)
            self._made[key] = made if share.any() else None
        return self._made[key]

    def _mapping(self, prompt: int, tokens: int) -> tuple[Tensor, Tensor]:
        if (prompt, tokens) not in self._maps:
            if self.compat:
                assert self._source is not None
                target = self._prompts[prompt]
                mapping = reference.mapping(self._source, target, self.mode, tokens)
            else:
                alignment = self.alignments[prompt]
                mapping = alignment.matrix(tokens), alignment.own(tokens)
            self._maps[prompt, tokens] = mapping
        return self._maps[prompt, tokens]


class Replace(_MapEdit):
    """Swap words: the target's words look where the source's words in their place looked.

    Acts in `window`, with `words` giving single words or phrases of the target windows of their
    own; `source` is a `SourceRun` where the source is not in the batch. `compat` aligns the
    prompts as google/prompt-to-prompt does. Raises `ControlError` on entering if no word differs.
    Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022).
    """

    mode = "replace"


class Refine(_MapEdit):
    """Add or take out words: those that both prompts have look where they looked in the source.

    The settings are those of `Replace`; new words keep their own attention. The same prompt twice
    makes the same picture twice, which is how a `Reweight` after it keeps the composition.
    Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022).
    """

    mode = "refine"
