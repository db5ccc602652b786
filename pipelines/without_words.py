"""What a prompt's text would be without some of its words, token for token beside the prompt's."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.controls.support.alignment import align
from crossattn.encoders import tokenizers_of
from crossattn.pipelines.conditioning import condition
from crossattn.pipelines.denoise import encode
from crossattn.words import Prompt, read_prompt

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


@torch.no_grad()
def without_words(
    pipe: "Pipeline", prompt: Prompt, positions: Collection[int], tokens: int
) -> Tensor:
    """The embeddings (tokens, channels) of a prompt without the words at `positions`.

    Each token stands where the prompt has the same word; what is left out is the empty prompt's,
    and padding stands by place.
    """
    kept = _cut(prompt, positions)
    empty = encode(pipe, "", "", guidance=0).embeds[-1]
    if not kept:
        return empty.repeat(tokens // len(empty), 1)
    readers = tokenizers_of(pipe)
    rest, nothing = (
        read_prompt(text, readers, dict.fromkeys(readers), syntax=False) for text in (kept, "")
    )
    embeds = condition(pipe, rest, nothing, 0, tokens // len(empty)).embeds[-1]
    alignment = align(rest, prompt, "refine")
    own = alignment.own(tokens).bool().to(embeds.device)[:, None]
    laid = alignment.matrix(tokens).T.to(embeds) @ embeds
    return torch.where(own, empty.repeat(tokens // len(empty), 1), laid)


def _cut(prompt: Prompt, positions: Collection[int]) -> str:
    """The prompt's text without those words, as it is written with no weights."""
    text, at = "", 0
    for start, end in sorted(prompt.words[position].span for position in positions):
        text, at = text + prompt.text[at:start], end
    return " ".join(f"{text}{prompt.text[at:]}".split())
