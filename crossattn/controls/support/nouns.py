"""Which nouns change between two prompts: where a change of words will show in the picture.

A phrase is what stands between little words (articles, prepositions and the like) and marks; its
noun is its last word, passing over one that ends in -ing. Where words behind "in", "on" or "at"
change, the place does, and all of the picture may, but for the other nouns; where what kind of
picture it is changes ("a photo of"), so may all of it. A word is changed whose weight is. The
little words are English; a prompt without them has the phrases that its marks make.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossattn.controls.support.alignment import global_alignment
from crossattn.word_spans import same_word
from crossattn.words import Prompt


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PLACING = _each("in on at inside within upon against")
_JOINING = _each(
    "with without to from by for over under above below behind before beside besides between near "
    "outside around through across along into onto off among beneath underneath "
    "and or but nor as like than while is are was were be"
)
_POINTING = _each(
    "a an the this that these those my your his her its our their some any every each no "
    "left right next front back top bottom middle high close far up down away out there here"
)
_LITTLE = _PLACING | _JOINING | _POINTING | {"of"}
_ARTICLES = _each("a an the")
# What ends in -ing and is a thing all the same.
_THINGS = _each(
    "building painting drawing clothing king ring wing string spring thing ceiling morning evening "
    "wedding earring railing lightning pudding icing wiring"
)


# Nouns of the picture itself, which have no place in it.
_PICTURES = _each(
    "picture photo photograph image painting drawing sketch sticker stickers illustration render "
    "watercolour watercolor cartoon"
)


@dataclass(frozen=True)
class ChangedNouns:
    """Positions of words: where two prompts differ.

    `source` are nouns of the source that change or are said of something else, `target` new nouns
    of the target. `things` are nouns of the source that stay, where a place changes around them;
    None where none does.
    """

    source: tuple[int, ...]
    target: tuple[int, ...]
    things: tuple[int, ...] | None


NOTHING = ChangedNouns((), (), None)
"""Where two prompts say the same."""


@dataclass(frozen=True)
class _Phrase:
    """A run of words, the noun among them; whether it is a place, or a measure of what follows."""

    words: tuple[int, ...]
    noun: int
    place: bool
    measure: bool


def things(prompt: Prompt) -> tuple[int, ...]:
    """Positions of the nouns that name things: neither places ("in snow") nor measures ("a bowl
    of"), unless there are no others."""
    nouns = list(_phrases(prompt))
    named = [each.noun for each in nouns if not (each.place or each.measure)]
    return tuple(named or [each.noun for each in nouns])


def changed_nouns(source: Prompt, target: Prompt) -> ChangedNouns:
    """Which nouns change from one prompt to the other."""
    old, new = ([same_word(word.text) for word in prompt.words] for prompt in (source, target))
    links = [pair for pair in global_alignment(old, new) if None not in pair]
    back = {right: left for left, right in links if left is not None and right is not None}
    dropped = [at for at in range(len(old)) if at not in back.values()]
    added = [
        at
        for at, word in enumerate(target.words)
        if at not in back or word.weight != source.words[back[at]].weight
    ]
    before, after = list(_phrases(source)), list(_phrases(target))
    gone, came = (
        _touched(*each) for each in ((before, dropped, old), (after, added, new))
    )  # the phrases that changed words stand in
    if any(
        each.measure and words[each.noun] in _PICTURES
        for phrases, words in ((gone, old), (came, new))
        for each in phrases
    ):
        return ChangedNouns((), (), ())
    places = [each for each in gone if each.place and set(each.words) & set(dropped)]
    moved = [each for each in came if each.place and set(each.words) & set(added)]
    nouns = {each.noun for each in gone if each not in places}
    nouns |= {back[each.noun] for each in came if each not in moved and each.noun in back}
    fresh = {each.noun for each in came if not each.place and each.noun not in back}
    things = None
    if places or moved:
        stay = [each for each in before if not (each.place or each.measure)]
        things = tuple(each.noun for each in stay if each.noun not in nouns)
    return ChangedNouns(tuple(sorted(nouns)), tuple(sorted(fresh)), things)


def only_qualities(source: Prompt, target: Prompt) -> bool:
    """Whether nouns, their relations and the place stay, and only what is said of nouns changes."""
    nouns = changed_nouns(source, target)
    before, after = ({same_word(word.text) for word in each.words} for each in (source, target))
    stay = all(same_word(source.words[each].text) in after for each in nouns.source)
    stay &= not (before ^ after) & _LITTLE - _ARTICLES
    return stay and not nouns.target and nouns.things is None


def _touched(phrases: Sequence[_Phrase], changed: Sequence[int], words: list[str]) -> list[_Phrase]:
    """The phrases of changed words; of little words, those on both sides, if nothing else is."""
    found = [each for each in phrases if set(each.words) & set(changed)]
    if found or not changed:
        return found
    before = [each for each in phrases if each.words[-1] < changed[0]]
    behind = [each for each in phrases if each.words[0] > changed[-1]]
    return before[-1:] + behind[:1]


def _phrases(prompt: Prompt) -> Iterator[_Phrase]:
    run: list[int] = []
    leads = ""
    words = [same_word(word.text) for word in prompt.words]
    for at, word in enumerate(prompt.words):
        if at and prompt.text[prompt.words[at - 1].span[1] : word.span[0]].strip():
            yield from _phrase(run, words, leads)
            run, leads = [], ""
        if words[at] not in _LITTLE:
            run.append(at)
            continue
        yield from _phrase(run, words, leads, measure=words[at] == "of")
        run = []
        if words[at] in _PLACING | _JOINING:
            leads = words[at]
    yield from _phrase(run, words, leads)


def _phrase(
    run: list[int], words: list[str], leads: str, measure: bool = False
) -> Iterator[_Phrase]:
    if run:
        plain = [at for at in run if words[at] in _THINGS or not words[at].endswith("ing")]
        yield _Phrase(tuple(run), (plain or run)[-1], leads in _PLACING, measure)
