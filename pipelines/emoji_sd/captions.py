"""Captions of scenes, with the characters that name each truth."""

from __future__ import annotations

import random
from dataclasses import dataclass

from crossattn.pipelines.emoji_sd.scenes import Scene, Thing
from crossattn.pipelines.emoji_sd.vocabulary import AMOUNTS, PLACES, RELATIONS, SIZE_WORDS, STYLES

Piece = tuple[str, str | None]
"""Some text of a caption and the truth that it names, if any."""


@dataclass(frozen=True)
class Caption:
    """A prompt for a scene; `spans` maps "object:0", "colour:0", "size:0", "relation", "place",
    "amount" and "style" (those that the text names) to half-open character ranges."""

    text: str
    spans: dict[str, tuple[int, int]]


def describe(scene: Scene) -> Caption:
    """Word a scene as its `wording` seed decides: the words, their order and what is left unsaid.

    A colour is always said, a medium size, the place and the picture style only sometimes.
    """
    rng = random.Random(scene.wording)
    # One draw per choice, made in a fixed order, so that a counterfactual keeps the wording.
    medium_said = [rng.random() < 0.25 for _ in range(3)]
    synonyms = [rng.random() for _ in range(3)]
    glue, relation, place, amount, style = (rng.random() for _ in range(5))
    place_said, place_first, amount_before = rng.random() < 0.9, rng.random(), rng.random() < 0.4
    style_said = rng.random() < 0.25

    nouns = [
        _noun_phrase(index, thing, medium_said[index], synonyms[index])
        for index, thing in enumerate(scene.things)
    ]
    subject = nouns[0]
    if len(nouns) > 1:
        link: list[Piece] = [("next to" if glue < 0.3 and len(nouns) == 2 else "and", None)]
        if scene.stated and scene.relation is not None:
            link = [(_pick(RELATIONS[scene.relation], relation), "relation")]
        elif len(nouns) == 3:
            link = [(",", None)]
        subject = subject + link + nouns[1]
    if len(nouns) > 2:
        subject = [*subject, ("and", None), *nouns[2]]

    where: list[list[Piece]] = [[(_pick(PLACES[scene.place], place), "place")]] * place_said
    snow: list[list[Piece]] = []
    if AMOUNTS[scene.amount]:
        snow = [[(_pick(AMOUNTS[scene.amount], amount), "amount")]]
    setting = snow + where if amount_before else where + snow

    opening: list[Piece] = []
    if scene.style != "picture" or style_said:
        opening = [(_pick(STYLES[scene.style], style), "style")]
    elif glue > 0.9:
        opening = [("there is", None)]
    if place_first < 0.25 and setting and not opening:
        return _join([*setting[0], (",", None), *subject, *_flat(setting[1:])])
    return _join([*opening, *subject, *_flat(setting)])


def _noun_phrase(index: int, thing: Thing, medium_said: bool, synonym: float) -> list[Piece]:
    pieces: list[Piece] = [(thing.name, f"object:{index}")]
    if thing.colour is not None:
        pieces.insert(0, (thing.colour, f"colour:{index}"))
    if thing.size != "medium" or medium_said:
        pieces.insert(0, (_pick(SIZE_WORDS[thing.size], synonym), f"size:{index}"))
    article = "an" if pieces[0][0][0] in "aeiou" else "a"
    return [(article, None), *pieces]


def _pick(options: tuple[str, ...], share: float) -> str:
    return options[int(share * len(options))]


def _flat(groups: list[list[Piece]]) -> list[Piece]:
    return [piece for group in groups for piece in group]


def _join(pieces: list[Piece]) -> Caption:
    text, spans = "", {}
    for words, truth in pieces:
        if text and words != ",":
            text += " "
        if truth is not None:
            spans[truth] = (len(text), len(text) + len(words))
        text += words
    return Caption(text, spans)
