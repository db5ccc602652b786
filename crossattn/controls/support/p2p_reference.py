"""The mappers of google/prompt-to-prompt as they are, faults included, for those who compare.

Behind a word whose number of tokens changes the replacement mapper carries on with the identity,
so that later words are misaligned; words are what single spaces separate; and case counts.
"""

import torch
from torch import Tensor

from crossattn.controls.support.alignment import global_alignment
from crossattn.errors import ControlError
from crossattn.words import Prompt


def replacement_mapper(source: Prompt, target: Prompt, tokens: int) -> Tensor:
    """prompt-to-prompt's word swap: (source tokens, target tokens), float32.

    Raises `ControlError` if the prompts have different numbers of words.
    """
    old, new = source.text.split(" "), target.text.split(" ")
    if len(old) != len(new):
        raise ControlError(
            f"prompt-to-prompt's replace needs as many words in both prompts, but {source.text!r} "
            f"has {len(old)} and {target.text!r} has {len(new)}; refine, or leave compat=True out."
        )
    changed = [at for at, (left, right) in enumerate(zip(old, new, strict=True)) if left != right]
    mapper = torch.zeros(tokens, tokens)
    i = j = 0
    for at in changed:
        left, right = _tokens_of(source, at), _tokens_of(target, at)
        same = left[0] - i
        mapper[range(i, i + same), range(j, j + same)] = 1
        if len(left) == len(right):
            mapper[left, right] = 1
        else:
            mapper[torch.tensor(left)[:, None], torch.tensor(right)] = 1 / len(right)
        i, j = i + same + len(left), j + same + len(right)
    rest = range(j, j + tokens - max(i, j))
    mapper[rest, rest] = 1
    return mapper


def refinement_mapper(source: Prompt, target: Prompt, tokens: int) -> tuple[Tensor, Tensor]:
    """prompt-to-prompt's refinement: the source token of each target token, and its alphas.

    Both (target tokens,): int64 with -1 where there is none, and float32 that is 0 there.
    """
    old, new = ([token.id for token in prompt.encodings[0].tokens] for prompt in (source, target))
    aligned = global_alignment(old, new)
    mapper = torch.arange(tokens)
    mapper[: len(new)] = torch.tensor(
        [-1 if left is None else left for left, right in aligned if right is not None]
    )
    return mapper, mapper.ne(-1).float()


def mapping(source: Prompt, target: Prompt, mode: str, tokens: int) -> tuple[Tensor, Tensor]:
    """The same as `Alignment.matrix` and `Alignment.own` give, but as prompt-to-prompt has it."""
    if mode == "replace":
        return replacement_mapper(source, target, tokens), torch.zeros(tokens)
    mapper, alphas = refinement_mapper(source, target, tokens)
    matrix = torch.zeros(tokens, tokens)
    matrix[mapper, torch.arange(tokens)] = alphas
    return matrix, 1 - alphas


def _tokens_of(prompt: Prompt, word: int) -> list[int]:
    """The tokens of the word at that place between spaces, counted out by their lengths."""
    pieces = [token.text for token in prompt.encodings[0].tokens[1:-1]]
    lengths = [len(each) for each in prompt.text.split(" ")]
    found: list[int] = []
    at = filled = 0
    for index, piece in enumerate(pieces, 1):
        if at == word:
            found.append(index)
        filled += len(piece)
        if filled >= lengths[at]:
            at, filled = at + 1, 0
    return found
