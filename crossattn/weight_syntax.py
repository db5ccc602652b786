"""Weights written into a prompt: read from it, and written back.

Read are the notations of AUTOMATIC1111 and ComfyUI, `(a cat:1.3)`, `(a cat)` = 1.1 and
`[a cat]` = 1/1.1, and of compel, `cat++` and `(a cat)++` = 1.1 per plus, `cat--` = 0.9 per minus,
`(a cat)1.3`. Nested ones multiply. A backslash makes the next bracket, colon, plus, minus or
backslash plain. Also plain, because nobody means a weight by it:

- a bracket without a partner, or with no word between the two: ":)", "(!)";
- a bare bracket in the middle of a word: "cat(s)";
- a plus or minus that no word touches on its left, that text follows, or that follows a number:
  "red+blue", "a - b", "18+".

Only the meaning as weights is read here; what a weight does is for the controls to say.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from crossattn.errors import PromptError
from crossattn.word_spans import find_words, quoted

LARGEST_WEIGHT = 10.0
"""Weights run from minus this to this."""

_BRACKET = 1.1
_PLUS, _MINUS = 1.1, 0.9
_DECIMALS = 4
_PARTNER = {")": "(", "]": "["}
_ESCAPABLE = frozenset("()[]\\:+-")
_MARKS = re.compile(r"(?:\++|-+)(?=$|[\s,.;:!?\"')\]])")
_NUMBER_BEHIND = re.compile(r"\d*\.?\d+(?=$|[\s,;:!?\"')\]]|\.(?:\s|$))")
_NUMBER_LIKE = re.compile(r"[+-]?(?:nan|inf|infinity|[.,]*\d[\d.,eE+-]*)", re.IGNORECASE)


@dataclass(frozen=True)
class _Group:
    start: int  # the first character of the source that the factor is on
    end: int  # one past the last
    factor: float


def checked_weight(weight: float, where: str) -> float:
    """Return a weight rounded to four decimals; raise PromptError if it is not within bounds."""
    rounded = _rounded(weight)
    if not abs(rounded) <= LARGEST_WEIGHT:
        raise PromptError(
            f"A weight lies between -{LARGEST_WEIGHT:g} and {LARGEST_WEIGHT:g}, but {where} has "
            f"{weight:g}; choose one in that range."
        )
    return rounded


def parse_weights(source: str) -> tuple[str, tuple[float, ...]]:
    """Return the text with the weight syntax taken out, and the weight of each of its characters.

    Raises PromptError for a weight that is no number or out of bounds, and for the bracket forms
    `[a|b]` and `[a:b:0.5]`, which change words during the run.
    """
    return _Reader(source).read()


def format_weights(text: str, weighted: Iterable[tuple[int, int, float]]) -> str:
    """Return a source that parse_weights reads as this text with these (start, end, weight) spans.

    The spans are words in order; weights of 1 are not written, brackets in the text are escaped.
    """
    written: list[str] = []
    done = 0
    for start, end, weight in weighted:
        written.append(_escape(text[done:start], after_word=done > 0))
        word = _escape(text[start:end], after_word=False)
        weight = checked_weight(weight, quoted(text[start:end]))
        written.append(word if weight == 1 else f"({word}:{weight:g})")
        done = end
    written.append(_escape(text[done:], after_word=done > 0))
    return "".join(written)


def _escape(text: str, after_word: bool) -> str:
    escaped = re.sub(r"[()\[\]\\]", r"\\\g<0>", text)
    return re.sub(r"^[+-]", r"\\\g<0>", escaped) if after_word else escaped


class _Reader:
    """One pass over a source: brackets and marks become groups, all else is kept as text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.words = find_words(source)
        self.word_starts = [start for start, _ in self.words]
        self.start_by_end = {end: start for start, end in self.words}
        self.kept = [True] * len(source)
        self.groups: list[_Group] = []

    def read(self) -> tuple[str, tuple[float, ...]]:
        source = self.source
        opened: list[int] = []
        at = 0
        plain_from = 0  # just after the last bracket, mark or escape: a weight is read from here on
        while at < len(source):
            character = source[at]
            if character == "\\" and source[at + 1 : at + 2] in _ESCAPABLE:
                self._drop(at, at + 1)
                at = plain_from = at + 2
            elif character in "([":
                opened.append(at)
                at = plain_from = at + 1
            elif opened and _PARTNER.get(character) == source[opened[-1]]:
                at = plain_from = self._close(opened.pop(), at, plain_from)
            elif character in "+-" and (marks := self._marks_on_word(at)):
                self.groups.append(_Group(self.start_by_end[at], at, _factor(marks)))
                self._drop(at, at + len(marks))
                at = plain_from = at + len(marks)
            else:
                at += 1
        return self._result()

    def _close(self, start: int, end: int, plain_from: int) -> int:
        """Read the bracket pair at start and end; return where reading goes on."""
        colon = self.source.rfind(":", plain_from, end)
        number = self.source[colon + 1 : end].strip() if colon >= 0 else ""
        explicit = bool(_NUMBER_LIKE.fullmatch(number))
        content_end = colon if explicit else end
        if not self._has_word(start + 1, content_end):
            return end + 1
        if self.source[start] == "[":
            if explicit or "|" in self.source[plain_from:end]:
                raise PromptError(
                    f"{quoted(self.source[start : end + 1])} changes words during the run, which "
                    "is not read here; write \\[ for a plain bracket."
                )
            factor, after = 1 / _BRACKET, end + 1
            bare = True
        else:
            factor, after = self._round_factor(start, end, number if explicit else "")
            bare = not explicit and after == end + 1
        if bare and (self._inside_word(start) or self._inside_word(end)):
            return after
        self._drop(start, start + 1)
        self._drop(content_end, after)
        self.groups.append(_Group(start, content_end, factor))
        return after

    def _round_factor(self, start: int, end: int, number: str) -> tuple[float, int]:
        """The weight of a pair of round brackets, and the end of what is written behind it."""
        marks = _MARKS.match(self.source, end + 1)
        behind = _NUMBER_BEHIND.match(self.source, end + 1)
        if number:
            factor = _read_number(number, self.source[start : end + 1])
            return (factor * _factor(marks.group()), marks.end()) if marks else (factor, end + 1)
        if marks:
            return _factor(marks.group()), marks.end()
        if behind:
            return float(behind.group()), behind.end()
        return _BRACKET, end + 1

    def _marks_on_word(self, at: int) -> str:
        """The pluses or minuses at this place if they weigh the word before them, else nothing."""
        start = self.start_by_end.get(at)
        marks = _MARKS.match(self.source, at)
        if start is None or not marks or re.fullmatch(r"[\d.]+", self.source[start:at]):
            return ""
        return marks.group()

    def _has_word(self, start: int, end: int) -> bool:
        first = bisect_left(self.word_starts, start)
        return first < len(self.words) and self.words[first][1] <= end

    def _inside_word(self, bracket: int) -> bool:
        around = self.source[max(bracket - 1, 0) : bracket] + self.source[bracket + 1 : bracket + 2]
        return find_words(around) == ((0, 2),)

    def _drop(self, start: int, end: int) -> None:
        self.kept[start:end] = [False] * (end - start)

    def _result(self) -> tuple[str, tuple[float, ...]]:
        opening: dict[int, list[_Group]] = {}
        closing: Counter[int] = Counter()
        for group in sorted(self.groups, key=lambda group: -group.end):
            opening.setdefault(group.start, []).append(group)
            closing[group.end] += 1
        products = [1.0]
        text: list[str] = []
        weights: list[float] = []
        for at, character in enumerate(self.source):
            del products[len(products) - closing[at] :]
            for group in opening.get(at, ()):
                where = quoted(self.source[group.start : group.end])
                products.append(products[-1] * group.factor)
                checked_weight(products[-1], where)
            if self.kept[at]:
                text.append(character)
                weights.append(_rounded(products[-1]))
        return "".join(text), tuple(weights)


def _rounded(weight: float) -> float:
    return round(weight, _DECIMALS) + 0.0  # adding 0.0 takes the sign off a zero


def _factor(marks: str) -> float:
    # More marks than this are out of bounds, or 0, anyway, and their power would overflow.
    return (_PLUS if marks[0] == "+" else _MINUS) ** min(len(marks), 500)


def _read_number(number: str, where: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        raise PromptError(
            f"A weight is a number such as 1.3, but {quoted(where)} has {quoted(number)}; "
            "write it with a decimal point."
        ) from None
    return checked_weight(weight, quoted(where))
