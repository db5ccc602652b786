"""Listening to the text encoders, so that each row of the denoiser's text is known by content."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
    """A text as one encoder read it: the token ids that the denoiser is given.

    `padded` says whether padding may stand among them.
    """

    encoder: str
    ids: tuple[int, ...]
    padded: bool = True

    def says(self, prompt: Prompt) -> bool:
        """Whether these are the ids of `prompt` (its first stretch), with one kind of padding."""
        for encoding in prompt.encodings:
            if encoding.name == self.encoder:
                own = tuple(token.id for token in encoding.tokens)
                if not self.padded:
                    return self.ids == own
                if len(own) > len(self.ids):
                    own = own[: len(self.ids) - 1]  # the end of a stretch that others follow
                return self.ids[: len(own)] == own and len(set(self.ids[len(own) :])) <= 1
        return False


@dataclass(frozen=True)
class _Output:
    texts: tuple[Text, ...]
    encoder: TextEncoder
    states: tuple[Tensor, ...]
    """Each (texts, tokens, channels): what the encoder gave, and its hidden layers if asked for."""
    mask: Tensor | None
    """Which tokens it was told to read: (texts, tokens); None for all."""

    def forms(self, state: Tensor) -> Iterator[Tensor]:
        """What pipelines hand on of a state: all of it, or what was read, followed by zeros."""
        low, high = _dropped(self.encoder, state.shape[1])
        yield torch.cat([state[:, :low], state[:, high:]], 1) if high > low else state
        if self.mask is None or not self.encoder.kind.masked:
            return
        mask = self.mask.to(state.device, torch.bool)
        first = mask.to(torch.uint8).argsort(dim=1, descending=True, stable=True)
        kept = (state * mask[..., None]).gather(1, first[..., None].expand_as(state))
        yield torch.cat([kept[:, :low], kept[:, high:]], 1)


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
            mask = kwargs.get("attention_mask", args[1] if len(args) > 1 else None)
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
            mask = mask if isinstance(mask, Tensor) and mask.shape == ids.shape else None
            texts = tuple(_text(encoder, row, mask, at) for at, row in enumerate(ids.tolist()))
            self._outputs.append(_Output(texts, encoder, states, mask))
            self._last = None

        return note

    def together(self, one: Text, other: Text) -> bool:
        """Whether both were encoded in one batch, as prompts are; negative ones are so apart."""
        return any({one, other} <= {*output.texts} for output in self._outputs)

    def words_of(self, text: Text) -> str:
        """A heard text in words, as its tokenizer spells them."""
        reader = next(each.reader for each in self.encoders if each.name == text.encoder)
        ids, (lead, trail) = list(text.ids), reader.around
        if lead or trail:
            while text.padded and ids and ids[-1] == reader.tokenizer.pad_token_id:
                ids.pop()
            ids = ids[lead : len(ids) - trail]
        read = str(reader.tokenizer.decode(ids, skip_special_tokens=True))
        # A copy of CLIP's tokenizer forgets that this marks the end of a word.
        return read.replace("</w>", " ").strip()

    def texts(self, embeds: Tensor) -> tuple[tuple[Text, ...], ...]:
        """For each row of `embeds`, the texts that it holds: one an encoder, none if unheard.

        An encoder's output stands from its first token on at the row's first channels, at its last,
        or behind those of an encoder beside it; what follows (padding, further stretches) is not
        looked at.
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
        widths: dict[str, int] = {}
        for output in self._outputs:
            offset = output.encoder.reader.offset
            for state in output.states:
                width = state.shape[2]
                beside = sum(
                    wide
                    for name, wide in widths.items()
                    if name != output.encoder.name and not offset
                )
                widths.setdefault(output.encoder.name, width)
                tokens = min(state.shape[1], embeds.shape[1] - offset)
                if width > embeds.shape[2] or tokens < 1:
                    continue
                for form in output.forms(state):
                    form = form[:, :tokens].to(embeds.device, embeds.dtype)
                    tokens = form.shape[1]
                    for side in sorted({0, beside, embeds.shape[2] - width}):
                        part = embeds[:, None, offset : offset + tokens, side : side + width]
                        if part.shape[-1] == width:
                            equal.append((part == form[None]).all(-1).all(-1).flatten())
                            keys += [(row, text) for row in range(rows) for text in output.texts]
        found: list[dict[str, Text]] = [{} for _ in range(rows)]
        if equal:
            for (row, text), same in zip(keys, torch.cat(equal).tolist(), strict=True):
                if same:
                    found[row].setdefault(text.encoder, text)
        return tuple(tuple(each.values()) for each in found)


def _dropped(encoder: TextEncoder, length: int) -> tuple[int, int]:
    """Which tokens of a text of that length are not given on."""
    # Where a negative prompt stands alone, only a prompt in its template is longer than the limit.
    alone = encoder.kind.bare_negative and length <= encoder.limit
    return (0, 0) if alone else encoder.reader.dropped


def _text(encoder: TextEncoder, ids: list[int], mask: Tensor | None, row: int) -> Text:
    """A row of ids as a text: what was read of it, where that is told, and given on."""
    low, high = _dropped(encoder, len(ids))
    padded = mask is None or not (encoder.kind.masked or encoder.reader.left)
    if mask is not None and not padded:
        ids = [each for each, read in zip(ids, mask[row].tolist(), strict=True) if read]
    return Text(encoder.name, (*ids[:low], *ids[high:]), padded)
