"""Where words begin and end in a text, whatever its script.

A word is a run of letters, digits and their accents, held together by apostrophes, hyphens and
underscores between them ("cat's", "red-haired", "long_hair") and by points between digits ("1.5").
Each Chinese ideograph and each hiragana is a word of its own, as in Unicode's default word
boundaries (UAX #29), and so is each emoji with its variation, skin tone and joined parts. All else
(spaces, punctuation, invisible marks of direction) lies in the gaps between words.
"""

import re
import unicodedata
from functools import lru_cache

from crossattn.errors import PromptError

_ONE_CHARACTER_WORDS = (
    (0x3005, 0x3007),
    (0x3041, 0x309F),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_FLAG_LETTERS = (0x1F1E6, 0x1F1FF)
_SKIN_TONES = (0x1F3FB, 0x1F3FF)
_FLAG_TAGS = (0xE0020, 0xE007F)
_CLASS_OF = {
    "'": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "-": "-",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    ".": ".",
    "\N{ZERO WIDTH JOINER}": "j",
    "\N{ZERO WIDTH NON-JOINER}": "m",
    "\N{SOFT HYPHEN}": "m",
    "\N{WORD JOINER}": "m",
    "\N{VARIATION SELECTOR-16}": "v",
}
_WORD = re.compile(
    r"[wd][mvj]*(?:(?:['-]|(?<=d)\.(?=d))?[wd][mvj]*)*"  # letters and digits
    r"|i[mvj]*"  # one ideograph or kana
    r"|(?:ff?|p|g(?=v))[mvj]*(?:(?<=j)(?:p|g(?=v))[mvj]*)*"  # flag or emoji
)
_LAYOUT = "\t\n\r"


def _within(code: int, bounds: tuple[int, int]) -> bool:
    return bounds[0] <= code <= bounds[1]


@lru_cache(4096)
def _character_class(character: str) -> str:
    """One letter for what a character does in a word: w letter, d digit, i ideograph, p pictograph,
    f flag letter, m mark, v emoji variation, j joiner, ' and - and . as they stand, s space, g gap.
    """
    if character in _CLASS_OF:
        return _CLASS_OF[character]
    code = ord(character)
    category = unicodedata.category(character)
    if category[0] == "M" or _within(code, _SKIN_TONES) or _within(code, _FLAG_TAGS):
        return "m"
    if category[0] in "LN" and any(_within(code, bounds) for bounds in _ONE_CHARACTER_WORDS):
        return "i"
    if _within(code, _FLAG_LETTERS):
        return "f"
    if character.isspace():
        return "s"
    return {"L": "w", "N": "d", "So": "p", "Pc": "-"}.get(
        category if category in ("So", "Pc") else category[0], "g"
    )


def find_words(text: str) -> tuple[tuple[int, int], ...]:
    """Return the (start, end) character spans of the words of a text, in order and apart."""
    classes = "".join(map(_character_class, text))
    return tuple(match.span() for match in _WORD.finditer(classes))


def same_word(text: str) -> str:
    """Return what spellings of one word share, whatever their case, composition, apostrophe."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return folded.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def quoted(text: str) -> str:
    """Return a piece of prompt as an error message shows it: in quotes, not longer than a line."""
    return f'"{text}"' if len(text) <= 60 else f'"{text[:59]}…"'


def refuse_unreadable(text: str) -> None:
    """Raise PromptError at the first control character or lone surrogate of a text.

    Tokenizers stop at the one and cannot encode the other; tabs and line breaks are allowed.
    """
    for position, character in enumerate(text, start=1):
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in _LAYOUT):
            kind = "half of a surrogate pair" if category == "Cs" else "a control character"
            raise PromptError(
                f"A prompt is plain text, but character {position} is U+{ord(character):04X}, "
                f"{kind}; take it out."
            )
