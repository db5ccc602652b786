"""Listening to the text encoders, so that each row of the denoiser's text is known by content."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crossattn.encoders import TextEncoder
from crossattn.words import Prompt

MOST = 64
"""Outputs of encoders that are kept to compare with: a run makes a handful."""


@dataclass(frozen=True)
class Text:
    """A text as one encoder read it: the token ids of its sequence, padding included."""

    encoder: str
    ids: tuple[int, ...]

    def says(self, prompt: Prompt) -> bool:
        """Whether these are the ids of `prompt` (its first stretch), with one kind of padding."""
        for encoding in prompt.encodings:
            if encoding.name == self.encoder:
                own = tuple(token.id for token in encoding.tokens)
                if len(own) > len(self.ids):
                    own = own[: len(self.ids) - 1]  # the end of a stretch that others follow
                return self.ids[: len(own)] == own and len(set(self.ids[len(own) :])) <= 1
        return False


@dataclass(frozen=True)
class _Output:
    texts: tuple[Text, ...]
    states: tuple[Tensor, ...]
    """Each (texts, tokens, channels): what the encoder gave, and its hidden layers if asked for."""


class Heard:
    """What a pipeline's text encoders were given and made of it, while a session listens.

    `texts` matches each row of the denoiser's text, (rows, tokens, channels), to what was heard.
    It compares once for each tensor that it meets, in one exchange with the device.
    """

    def __init__(self, encoders: Sequence[TextEncoder]) -> None:
        self.encoders = tuple(encoders)
        self._outputs: deque[_Output] = deque(maxlen=MOST)
        self._last: tuple[Tensor, int, tuple[tuple[Text, ...], ...]] | None = None

    @property
    def heard(self) -> tuple[Text, ...]:
        """Every text that was encoded, in order, once."""
        return tuple(dict.fromkeys(text for output in self._outputs for text in output.texts))

    def hear(self, encoder: TextEncoder) -> Callable[..., None]:
        """What notes a forward pass of `encoder`."""

        def note(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            ids = kwargs.get("input_ids", args[0] if args else None)
            if not isinstance(ids, Tensor) or ids.ndim != 2 or ids.is_meta or output is None:
                return
            last = getattr(output, "last_hidden_state", None)
            last = output[0] if last is None and isinstance(output, tuple) else last
            layers = getattr(output, "hidden_states", None) or ()
            states = tuple(
                state.detach()
                for state in (last, *layers)
                if isinstance(state, Tensor) and state.ndim == 3
            )
            texts = tuple(Text(encoder.name, tuple(row)) for row in ids.tolist())
            self._outputs.append(_Output(texts, states))
            self._last = None

        return note

    def together(self, one: Text, other: Text) -> bool:
        """Whether both were encoded in one batch, as prompts are; negative ones are so apart."""
        return any({one, other} <= {*output.texts} for output in self._outputs)

    def words_of(self, text: Text) -> str:
        """A heard text in words, as its tokenizer spells them."""
        tokenizer = next(e.tokenizer for e in self.encoders if e.name == text.encoder)
        return str(tokenizer.decode(list(text.ids), skip_special_tokens=True)).strip()

    def texts(self, embeds: Tensor) -> tuple[tuple[Text, ...], ...]:
        """For each row of `embeds`, the texts that it holds: one an encoder, none if unheard.

        An encoder's output stands at the row's first channels or at its last, from the first token
        on; what follows (padding, further stretches) is not looked at.
        """
        version = 0 if embeds.is_inference() else embeds._version
        if self._last is None or self._last[0] is not embeds or self._last[1] != version:
            self._last = embeds, version, self._match(embeds)
        return self._last[2]

    def _match(self, embeds: Tensor) -> tuple[tuple[Text, ...], ...]:
        rows = len(embeds)
        if embeds.is_meta:
            return ((),) * rows
        keys: list[tuple[int, Text]] = []
        equal: list[Tensor] = []
        for output in self._outputs:
            for state in output.states:
                tokens = min(state.shape[1], embeds.shape[1])
                width = state.shape[2]
                if width > embeds.shape[2]:
                    continue
                state = state[:, :tokens].to(embeds.device, embeds.dtype)
                for side in {0, embeds.shape[2] - width}:
                    part = embeds[:, None, :tokens, side : side + width]
                    equal.append((part == state[None]).all(-1).all(-1).flatten())
                    keys += [(row, text) for row in range(rows) for text in output.texts]
        found: list[dict[str, Text]] = [{} for _ in range(rows)]
        if equal:
            for (row, text), same in zip(keys, torch.cat(equal).tolist(), strict=True):
                if same:
                    found[row].setdefault(text.encoder, text)
        return tuple(tuple(each.values()) for each in found)
