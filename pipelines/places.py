"""Where in a picture an edit of its caption belongs: the maps of the nouns that change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.controls import align
from crossattn.trace import Trace
from crossattn.words import Prompt, Word

THRESHOLD = 0.4
"""A noun is where its map, stretched to run from 0 to 1, is over this."""

_APART = frozenset(
    {"a", "an", "the", "its", "his", "her", "and", "or", "of", "with", "to", "is", "are", "there"}
    | {"next", "left", "right", "above", "below", "over", "under", "behind", "beside", "between"}
    | {"near", "front", "high", "up", "down", "in", "on", "at", "against", "by", "from", "into"}
)
"""Words that part one noun phrase from the next."""

_PLACING = frozenset(("in", "on", "at", "against"))
"""Words before the phrase that says where all of it is."""

_PICTURES = frozenset(
    {"picture", "photo", "photograph", "image", "painting", "drawing", "sketch", "sticker"}
    | {"stickers", "illustration", "render", "watercolour", "watercolor", "cartoon"}
)
"""Nouns of the picture itself, as in "a photo of": they have no place in it."""


@dataclass(frozen=True)
class Phrase:
    """A noun and the words before it that belong to it; `kind` is what it names."""

    words: tuple[int, ...]
    head: Word
    kind: str
    """"thing", "place" (of all of it) or "style" (of the picture)."""


@dataclass(frozen=True)
class Place:
    """Where an edit belongs: `mask` bool (height, width), or everywhere (None); `words` of the
    target that are to be found while it is made, since the picture does not have them yet."""

    mask: Tensor | None
    words: tuple[str, ...]


def phrases(prompt: Prompt) -> tuple[Phrase, ...]:
    """The noun phrases of a caption, by its order of words and its prepositions."""
    return tuple(_phrases(prompt))


def _phrases(prompt: Prompt) -> Iterator[Phrase]:
    runs: list[tuple[list[int], set[str]]] = []
    between: set[str] = set()
    for number, word in enumerate(prompt.words):
        text = word.text.lower()
        gap = prompt.text[prompt.words[number - 1].span[1] : word.span[0]] if number else ""
        if text in _APART:
            between.add(text)
            continue
        if number and runs and not between and not gap.strip():
            runs[-1][0].append(number)
        else:
            runs.append(([number], between))
        between = set()
    for place, (words, before) in enumerate(runs):
        head = prompt.words[words[-1]]
        behind = prompt.words[words[-1] + 1].text if words[-1] + 1 < len(prompt.words) else ""
        kind = "thing"
        if place == 0 and head.text.lower() in _PICTURES and behind.lower() == "of":
            kind = "style"
        elif before & _PLACING or before == {"under", "the"}:
            kind = "place"
        yield Phrase(tuple(words), head, kind)


def place_of_edit(
    trace: Trace, source: Prompt, target: Prompt, words: Sequence[str] | None = ()
) -> Place:
    """Where the change from one caption to another belongs, by the maps of a picture's words.

    A thing that changes, or a word that describes it, is where its noun is (grown by one place of
    the grid); a place is all but the things that stay; a style is everywhere. A thing that is only
    added is to be found in what is drawn. `words` of either
    caption say the place instead, None that it is everywhere. Captions that say the same change
    nothing.
    """
    apart = align(source, target, "refine")
    gone = {unit.word for unit in apart.dropped}
    new = {unit.word for unit in apart.unmatched}
    new |= {number for number, word in enumerate(target.words) if word.weight != 1}
    mask = torch.zeros_like(trace.words[0].data, dtype=torch.bool)
    if not gone and not new:
        return Place(mask, ())
    if words is None:
        return Place(None, ())
    if words:
        for text in (text for text in words if text in source):
            for word in source.named(text):
                mask |= _grown(_where(trace, word))
        return Place(mask, tuple(text for text in words if text not in source))
    before, after = phrases(source), phrases(target)
    changed = [phrase for phrase in before if gone & set(phrase.words)]
    added = [phrase for phrase in after if new & set(phrase.words)]
    if any(phrase.kind == "style" for phrase in (*changed, *added)):
        return Place(None, ())
    named = {phrase.head.text.lower(): phrase for phrase in before}
    # A word put before a noun that stays is where that noun is.
    changed += [named[p.head.text.lower()] for p in added if p.head.text.lower() in named]
    for phrase in changed:
        if phrase.kind == "thing":
            mask |= _grown(_where(trace, phrase.head))
    if any(phrase.kind == "place" for phrase in (*changed, *added)):
        kept = torch.zeros_like(mask)
        for phrase in before:
            if phrase.kind == "thing" and phrase not in changed:
                kept |= _where(trace, phrase.head)
        mask |= ~kept
    if mask.any():
        return Place(mask, ())
    # What is only added has no place in the picture yet.
    things = [phrase.head for phrase in added if phrase.kind == "thing"]
    return Place(mask, tuple(dict.fromkeys(target.name_of(head) for head in things)))


def _where(trace: Trace, word: Word) -> Tensor:
    if not any(word.tokens):
        return torch.zeros_like(trace.words[0].data, dtype=torch.bool)
    return trace.word(word.text, word.occurrence).mask(THRESHOLD)


def _grown(mask: Tensor) -> Tensor:
    return F.max_pool2d(mask[None, None].float(), 3, stride=1, padding=1)[0, 0].bool()
