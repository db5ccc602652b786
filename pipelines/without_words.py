"""What a prompt's text would be without some of its words, token for token beside the prompt's."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.controls.support.alignment import align
from crossattn.encoders import tokenizers_of
from crossattn.pipelines.called import draws_by_call
from crossattn.pipelines.conditioning import condition
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
    readers = tokenizers_of(pipe)
    rest, nothing = (
        read_prompt(text, readers, dict.fromkeys(readers), syntax=False) for text in (kept, "")
    )
    empty = condition(pipe, nothing, nothing, 0).embeds[-1]
    length = 1 if draws_by_call(pipe) else tokens // len(empty)
    empty = _filled(empty, tokens, length)
    if not kept and not draws_by_call(pipe):
        return empty
    embeds = _filled(condition(pipe, rest, nothing, 0, length).embeds[-1], tokens)
    alignment = align(rest, prompt, "refine")
    own = alignment.own(tokens).bool().to(embeds.device)[:, None]
    laid = alignment.matrix(tokens).T.to(embeds) @ embeds
    return torch.where(own, empty, laid)


def _filled(embeds: Tensor, tokens: int, length: int = 1) -> Tensor:
    """Embeddings of as many tokens: in `length` stretches, or, of a text that is given on without
    padding, with its last one behind."""
    embeds = embeds.repeat(length, 1)
    return torch.cat([embeds, embeds[-1:].expand(tokens - len(embeds), -1)])


def _cut(prompt: Prompt, positions: Collection[int]) -> str:
    """The prompt's text without those words, as it is written with no weights."""
    text, at = "", 0
    for start, end in sorted(prompt.words[position].span for position in positions):
        text, at = text + prompt.text[at:start], end
    return " ".join(f"{text}{prompt.text[at:]}".split())
