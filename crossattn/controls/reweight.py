"""Turning words up and down by their attention."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.controls.support.edit import Edit, OnNothing
from crossattn.controls.support.edit_source import edited_prompts
from crossattn.controls.support.token_positions import positions_by_prompt
from crossattn.controls.support.window import ALWAYS, Window
from crossattn.errors import ControlError
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import LayerCall, Step
from crossattn.weight_syntax import LARGEST_WEIGHT
from crossattn.word_spans import quoted
from crossattn.words import token_positions


class Reweight(Edit):
    """Multiply the attention that words get by their weights, on the conditional rows.

    `weights` names words or phrases of the prompts; without it the weights written into the
    prompts count. `window` says when, and `words` gives single ones windows of their own. As
    prompt-to-prompt has it, nothing makes up for what is added or taken; with `normalised` the
    other tokens do (the same as adding log w to the logits), and weights must not be negative.
    Where the session edits from a first prompt, that prompt's images stay as they are.

    Raises `WordNotFoundError` for a word that no prompt has, `ControlError` for a weight beyond 10.
    """

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        *,
        normalised: bool = False,
        window: Window = ALWAYS,
        words: Mapping[str, Window] | None = None,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(on_nothing)
        self.weights = None if weights is None else dict(weights)
        self.normalised = normalised
        self.window = window
        self.words = dict(words or {})
        for text, weight in self.weights.items() if self.weights else ():
            self._check(text, weight)
        self._placed: list[tuple[Window, int, int, float]] = []
        self._made: dict[Any, Tensor] = {}

    def start(self, session: Session) -> None:
        super().start(session)
        self._made = {}
        prompts = edited_prompts(session, self)
        if self.weights is None:
            for prompt in prompts.values():
                for word in prompt.words:
                    self._check(word.text, word.weight)
            self._placed = [
                (self.words.get(word.text, self.window), number, token, word.weight)
                for number, prompt in prompts.items()
                for word in prompt.words
                for token in token_positions([word])
            ]
        else:
            self._placed = [
                (self.words.get(text, self.window), number, token, weight)
                for text, weight in self.weights.items()
                for number, tokens in positions_by_prompt(prompts, text).items()
                for token in tokens
            ]

    def acts(self, site: Site, step: Step) -> bool:
        """In the window of a word that weighs other than 1."""
        return any(weight != 1 and window.contains(step) for window, *_, weight in self._placed)

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Weigh each conditional row."""
        for _, row, prompt in call.step.rows.conditional():
            if not (placed := self._held(call, prompt)):
                continue
            weights = self._weights(placed, attention)
            if self.normalised:
                attention.add_bias(row, weights[None])
            else:
                attention.scale_tokens(row, weights)
            self.touch(call)

    def leave(self) -> None:
        """Let go of what lies on the model's device."""
        self._made = {}

    def reason(self) -> str:
        """Every weight 1, or no step in the window."""
        return "every weight is 1, or no step lay in its window; give a word another weight."

    def _check(self, text: str, weight: float) -> None:
        least = 0 if self.normalised else -LARGEST_WEIGHT
        if not least <= weight <= LARGEST_WEIGHT:
            raise ControlError(
                f"Reweight: expected a number from {least:g} to {LARGEST_WEIGHT:g} for "
                f"{quoted(text)}, got {weight:g}."
            )

    def _held(self, call: LayerCall, prompt: int) -> tuple[tuple[int, float], ...]:
        """The tokens of a prompt that weigh other than 1 at this step."""
        held = {
            token: weight
            for window, number, token, weight in self._placed
            if number == prompt and window.contains(call.step)
        }
        return tuple((token, weight) for token, weight in held.items() if weight != 1)

    def _weights(self, placed: tuple[tuple[int, float], ...], attention: Attention) -> Tensor:
        """Weights (tokens,), or what is added to logits for them, made once for each device."""
        key = placed, attention.tokens, attention.query.device
        if key not in self._made:
            weights = torch.ones(attention.tokens)
            for token, weight in placed:
                weights[token] = weight
            made = weights.log().to(attention.query) if self.normalised else weights
            self._made[key] = made.to(attention.query.device)
        return self._made[key]
