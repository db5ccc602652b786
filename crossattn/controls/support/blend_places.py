"""The words whose maps say where a blend lets the picture change, in the source and the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from crossattn.controls.support.alignment import align
from crossattn.controls.support.nouns import changed_nouns
from crossattn.controls.support.token_positions import positions_by_prompt
from crossattn.words import Prompt, token_positions

By = Literal["words", "nouns"]
"""Whether a blend goes by all words that change, or by the nouns that they are said of."""

Group = tuple[int, ...]
"""Tokens that have one map together."""


@dataclass(frozen=True)
class BlendPlaces:
    """Whose maps make the mask of one target prompt.

    The tokens of what changes, in the source's map and in the target's; and, where a place changes
    `around` them, those of the things of the source that stay, else None.
    """

    source: tuple[Group, ...]
    target: tuple[Group, ...]
    around: tuple[Group, ...] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.source or self.target or self.around is not None)


def blend_places(source: Prompt, target: Prompt, by: By) -> BlendPlaces:
    """The places of what differs between two prompts.

    Raises `ControlError` if they were read without a tokenizer.
    """
    if by == "words":
        alignment = align(source, target, "refine")
        every = (alignment, *alignment.behind)
        dropped = [token for each in every for unit in each.dropped for token in unit.tokens]
        came = [token for each in every for unit in each.unmatched for token in unit.tokens]
        return BlendPlaces(_group(dropped), _group(came))
    nouns = changed_nouns(source, target)
    things = None if nouns.things is None else _each(source, nouns.things)
    return BlendPlaces(_each(source, nouns.source), _each(target, nouns.target), things)


def named_places(
    words: Sequence[str], source: Prompt, targets: Mapping[int, Prompt], by: By
) -> dict[int, BlendPlaces]:
    """The places of words that were named, for each target; by nouns a word that both prompts have
    is looked for in the source alone, whose map is the whole run's.

    Raises `WordNotFoundError` for a word that no prompt has.
    """
    prompts = {-1: source, **targets}
    found = [positions_by_prompt(prompts, word) for word in words]

    def places(number: int) -> BlendPlaces:
        old = [each.get(-1, []) for each in found]
        new = [each.get(number, []) for each in found]
        if by == "words":
            return BlendPlaces(*(_group([t for each in side for t in each]) for side in (old, new)))
        fresh = [theirs for ours, theirs in zip(old, new, strict=True) if not ours]
        return BlendPlaces(*(tuple(tuple(each) for each in side if each) for side in (old, fresh)))

    return {number: places(number) for number in targets}


def _group(tokens: Sequence[int]) -> tuple[Group, ...]:
    return (tuple(tokens),) if tokens else ()


def _each(prompt: Prompt, positions: Sequence[int]) -> tuple[Group, ...]:
    groups = (token_positions([prompt.words[position]]) for position in positions)
    return tuple(tuple(group) for group in groups if group)
