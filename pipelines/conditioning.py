"""Prompts as their embeddings: in one stretch as the pipeline has it, or in several."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.encoders import text_encoders
from crossattn.pipelines.call_text import encode_call
from crossattn.pipelines.called import draws_by_call
from crossattn.pipelines.denoise import Conditioning, encode
from crossattn.word_tokens import Token
from crossattn.words import Prompt

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


def stretches(prompt: Prompt) -> int:
    """Return how many stretches the longest encoding of a prompt has."""
    return max((len(encoding.stretches) for encoding in prompt.encodings), default=1)


def condition(
    pipe: "Pipeline", prompt: Prompt, negative: Prompt, guidance: float, length: int = 1
) -> Conditioning:
    """Encode two prompts, unweighted, in at least `length` stretches; a blank negative is none.

    One stretch is what the pipeline itself makes of the texts. The side that is shorter is filled
    with the empty prompt, as compel does it.
    """
    if draws_by_call(pipe):
        return encode_call(pipe, prompt.text, negative.text, guidance)
    length = max(length, stretches(prompt), stretches(negative))
    if length == 1:
        return encode(pipe, prompt.text, negative.text, guidance)
    # What the pipeline makes of no words, and whether it is guided, it says itself.
    plain = encode(pipe, "", "", guidance)
    rows, pooled = [], []
    if plain.guided:
        if negative.text.strip():
            rows.append(_filled(pipe, negative, length))
        else:
            rows.append((plain.embeds[0].repeat(length, 1), _row(plain.pooled, 0)))
    rows.append(_filled(pipe, prompt, length))
    pooled = [row[1] for row in rows if row[1] is not None]
    embeds = torch.stack([row[0] for row in rows]).to(plain.embeds)
    return Conditioning(embeds, torch.stack(pooled) if pooled else None, plain.guided)


@torch.no_grad()
def encode_stretches(
    pipe: "Pipeline", prompt: Prompt, masked: Iterable[int] = ()
) -> tuple[Tensor, Tensor | None]:
    """Encode each stretch of a prompt by itself: (stretches × tokens, channels), laid side by side.

    The tokens at `masked` places nobody may look at. Also gives what SDXL is told of the whole
    prompt, (channels,), that of its first stretch; None for others.
    """
    hidden = hasattr(pipe, "text_encoder_2")  # SDXL takes the layer before the last
    encoded = []
    pooled: Tensor | None = None
    encoders = {encoder.name: encoder for encoder in text_encoders(pipe)}
    for encoding in prompt.encodings:
        reader = encoders[encoding.name]
        assert reader.module is not None
        pad = reader.tokenizer.pad_token_id
        ids = torch.stack([_padded(each, encoding.size, pad) for each in encoding.stretches])
        mask = None
        if places := list(masked):
            mask = torch.ones(ids.numel(), dtype=ids.dtype)
            mask[places] = 0
            mask = mask.view_as(ids).to(pipe._execution_device)
        out = reader.module(
            ids.to(pipe._execution_device), attention_mask=mask, output_hidden_states=hidden
        )
        encoded.append((out.hidden_states[-2] if hidden else out[0]).flatten(0, 1))
        pooled = out[0][0] if hidden else None
    longest = max(len(each) for each in encoded)
    filled = [_repeated(each, longest) for each in encoded]
    return torch.cat(filled, dim=-1), pooled


def token_weights(prompt: Prompt, length: int) -> Tensor:
    """Return the weight of each of `length` places of a prompt's sequence, 1 unless written."""
    weights = torch.ones(length)
    for encoding in reversed(prompt.encodings):
        for token in encoding.tokens:
            weights[token.index] = token.weight
    return weights


def joined(texts: Sequence[Conditioning]) -> Conditioning:
    """Stack texts as the denoiser wants them: all negative rows first, then all positive."""
    if len(texts) == 1:
        return texts[0]
    guided = texts[0].guided

    def stacked(rows: Sequence[Tensor]) -> Tensor:
        return torch.cat([row[side : side + 1] for side in range(1 + guided) for row in rows])

    pooled = [text.pooled for text in texts if text.pooled is not None]
    embeds = stacked([text.embeds for text in texts])
    return replace(texts[0], embeds=embeds, pooled=stacked(pooled) if pooled else None)


def _filled(pipe: "Pipeline", prompt: Prompt, length: int) -> tuple[Tensor, Tensor | None]:
    embeds, pooled = encode_stretches(pipe, prompt)
    size = len(embeds) // stretches(prompt)
    if len(embeds) < length * size:
        empty = encode(pipe, "", "", guidance=1).embeds[-1].to(embeds)
        embeds = torch.cat([embeds, empty.repeat(length - stretches(prompt), 1)])
    return embeds, pooled


def _padded(tokens: Sequence[Token], size: int, pad: Any) -> Tensor:
    ids = [token.id for token in tokens]
    return torch.tensor(ids + [int(pad)] * (size - len(ids)))


def _repeated(embeds: Tensor, length: int) -> Tensor:
    return embeds.repeat(length // len(embeds), 1) if len(embeds) < length else embeds


def _row(pooled: Tensor | None, index: int) -> Tensor | None:
    return None if pooled is None else pooled[index]
