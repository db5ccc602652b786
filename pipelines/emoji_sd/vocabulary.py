"""What the embedded model knows: its objects, colours, sizes, places, relations and words."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import Final

OBJECTS: Final[dict[str, str]] = {
    "cat": "🐱", "dog": "🐶", "rabbit": "🐰", "frog": "🐸", "fish": "🐠", "butterfly": "🦋",
    "turtle": "🐢", "duck": "🦆", "owl": "🦉", "snail": "🐌", "elephant": "🐘", "octopus": "🐙",
    "apple": "🍎", "pizza": "🍕", "cake": "🎂", "mushroom": "🍄", "strawberry": "🍓", "car": "🚗",
    "boat": "⛵", "rocket": "🚀", "train": "🚂", "balloon": "🎈", "ball": "⚽", "guitar": "🎸",
    "crown": "👑", "umbrella": "☂", "house": "🏠", "tree": "🌳", "cactus": "🌵",
    "sunflower": "🌻", "robot": "🤖", "ghost": "👻", "hat": "🎩", "gift": "🎁",
}  # fmt: skip
"""Every object's noun and the emoji that it is drawn with, in the order of the sprite sheet."""

COLOURS: Final[dict[str, tuple[float, float]]] = {
    "red": (0.0, 0.88),
    "orange": (0.075, 0.95),
    "yellow": (0.15, 0.95),
    "green": (0.33, 0.8),
    "turquoise": (0.49, 0.85),
    "blue": (0.61, 0.85),
    "purple": (0.76, 0.7),
    "pink": (0.92, 0.5),
}
"""Every colour's hue and saturation, each from 0 to 1; no colour leaves the glyph as it is."""

SIZES: Final[dict[str, int]] = {"small": 28, "medium": 44, "big": 61}
"""Every size and the longer side of its glyph in pixels of a 128-pixel picture."""

SIZE_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "small": ("small", "tiny"),
    "medium": ("medium",),
    "big": ("big", "large", "huge"),
}

PLACES: Final[dict[str, tuple[str, ...]]] = {
    "meadow": ("in a meadow", "on grass", "on green grass", "in a field of grass"),
    "beach": ("on a beach", "on the sand", "at the beach"),
    "mountains": ("in the mountains", "in front of mountains", "high up in the mountains"),
    "night": ("at night", "under the stars", "in the night sky"),
    "sea": ("on the sea", "at sea", "on the blue water"),
    "desert": ("in the desert", "in a desert at sunset", "on the dunes"),
}
"""Every place and the phrases that name it."""

RELATIONS: Final[dict[str, tuple[str, ...]]] = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
"""Every relation of a first object to a second one, and the phrases that name it."""

AMOUNTS: Final[dict[str, tuple[str, ...]]] = {
    "none": (),
    "little": ("with a little snow falling", "in a little snow", "in light snow"),
    "some": ("with some snow falling", "in the snow", "in falling snow"),
    "heavy": ("with heavy snow falling", "in heavy snow", "in a snowstorm"),
}
"""Every amount of falling snow, rising, and the phrases that name it."""

STYLES: Final[dict[str, tuple[str, ...]]] = {
    "picture": ("a picture of", "a photo of"),
    "sticker": ("a sticker of", "stickers of"),
}
"""Every picture style and the phrases that open a caption in it."""

_NOUNS: Final = {emoji: [noun] for noun, emoji in OBJECTS.items()}

_GLUE = "a an and next to there is"


def words() -> tuple[str, ...]:
    """Every word that the training captions can contain, sorted."""
    phrases = [_GLUE, *OBJECTS, *COLOURS]
    for table in (SIZE_WORDS, PLACES, RELATIONS, AMOUNTS, STYLES):
        for options in table.values():
            phrases.extend(options)
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


def unknown_words(text: str) -> dict[str, list[str]]:
    """Words of a prompt that the model never saw, each with the nearest words that it knows.

    Case and punctuation do not matter, and emoji are told with their nouns; the list of near words
    may be empty and has at most three.
    """
    known = words()
    signs = [sign for sign in text if unicodedata.category(sign) == "So"]
    asked = dict.fromkeys([*re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower()), *signs])
    return {
        word: _NOUNS.get(word) or difflib.get_close_matches(word, known, n=3, cutoff=0.7)
        for word in asked
        if word not in known
    }


def vocabulary() -> dict[str, list[str]]:
    """What can be asked for, by kind: objects, colours, sizes, places, relations, snow, styles."""
    phrases = {
        "sizes": SIZE_WORDS,
        "places": PLACES,
        "relations": RELATIONS,
        "snow": AMOUNTS,
        "styles": STYLES,
    }
    listed = {kind: [p for each in table.values() for p in each] for kind, table in phrases.items()}
    return {"objects": list(OBJECTS), "colours": list(COLOURS), **listed}
