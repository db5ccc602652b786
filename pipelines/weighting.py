"""What a weight written into a prompt does, in the dialect that the recipe names."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.controls import Reweight
from crossattn.controls.support.embeddings import a1111, comfy, compel
from crossattn.pipelines.denoise import Conditioning, encode
from crossattn.recorder import Recorder
from crossattn.session import Session
from crossattn.step import LayerCall
from crossattn.words import Prompt, Word, token_positions

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline
    from crossattn.pipelines.recipe import Dialect


def weighted(prompt: Prompt) -> bool:
    """Whether any word has a weight other than 1."""
    return any(word.weight != 1 for word in prompt.words)


def weighing(
    prompt: Prompt, dialect: "Dialect", plain: Conditioning
) -> tuple[list[Control], Recorder]:
    """The controls that weigh a prompt's words, and a recorder of what they had without it.

    `plain` is the text as it was encoded, unweighted. The controls, the recorder among them, are
    to be attached in this order.
    """
    if dialect.startswith("attention"):
        had = Recorder()
        return [had, Reweight(normalised=dialect == "attention-normalised")], had
    had = _PlainRecorder(plain.embeds[-1])
    return [had], had


@torch.no_grad()
def weigh(pipe: "Pipeline", text: Conditioning, prompt: Prompt, dialect: "Dialect") -> Conditioning:
    """The text with its words' weights in the embeddings, where the dialect puts them there."""
    if dialect.startswith("attention"):
        return text
    embeds = text.embeds[-1]
    weights = torch.ones(len(embeds))
    for word in prompt.words:
        weights[token_positions([word])] = word.weight
    if dialect == "a1111":
        changed = a1111(embeds, weights)
    else:
        empty = encode(pipe, "", "", guidance=1).embeds[-1]
        if dialect == "comfy":
            changed = comfy(embeds, empty, weights)
        else:
            without = [
                (_masked(pipe, prompt, token_positions(down)), weight)
                for down, weight in _down(prompt)
            ]
            changed = compel(embeds, empty, weights, without)
    return replace(text, embeds=torch.cat([text.embeds[:-1], changed[None]]))


class _PlainRecorder(Recorder):
    """Records what the pixels would attend to if the text were encoded without weights."""

    def __init__(self, embeds: Tensor) -> None:
        super().__init__()
        self._embeds = embeds
        self._keys: dict[str, Tensor] = {}

    def start(self, session: Session) -> None:
        super().start(session)
        self._keys = {
            site.name: module.to_k(self._embeds).unflatten(-1, (site.heads, -1)).transpose(0, 1)
            for site, module in session.modules.items()
            if self.wants(site)
        }

    def attend(self, call: LayerCall, attention: Attention) -> None:
        key = self._keys[call.site.name].expand(len(attention.query), -1, -1, -1)
        super().attend(call, attention.looking_at(key))

    def leave(self) -> None:
        super().leave()
        self._keys = {}


def _down(prompt: Prompt) -> list[tuple[list[Word], float]]:
    """The stretches of neighbouring words that have one weight below 1."""
    stretches = groupby(prompt.words, key=lambda word: word.weight)
    return [(list(words), weight) for weight, words in stretches if weight < 1]


def _masked(pipe: "Pipeline", prompt: Prompt, tokens: Sequence[int]) -> Tensor:
    """The embeddings (tokens, channels) of a prompt some of whose tokens nobody may look at."""
    encoded = []
    # As the pipelines encode: SDXL takes the layer before the last of both its encoders.
    both = getattr(pipe, "text_encoder_2", None) is not None
    for number in ("", "_2") if both else ("",):
        tokenizer, encoder = (
            getattr(pipe, f"tokenizer{number}"),
            getattr(pipe, f"text_encoder{number}"),
        )
        length = tokenizer.model_max_length
        ids = tokenizer(
            prompt.text,
            padding="max_length",
            max_length=length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        mask = torch.ones_like(ids)
        mask[:, list(tokens)] = 0
        device = pipe._execution_device
        out = encoder(ids.to(device), attention_mask=mask.to(device), output_hidden_states=both)
        encoded.append(out.hidden_states[-2] if both else out[0])
    return torch.cat(encoded, dim=-1)[0]
