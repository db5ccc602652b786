"""Weights written into a prompt, read from it.

`(a cat:1.3)` weighs in every dialect, and `<lora:name:0.8>` is a file to load and no text. What
brackets without a number, `cat++` and weights in each other mean is for the dialect to say
(`crossattn.dialects`); marks that it does not know are text. `BREAK` begins a new stretch. A
backslash makes the next mark plain. Also plain in every dialect, because nobody means a weight by
it:

- a bracket without a partner, or with no word between the two: ":)", "(!)";
- a bare bracket in the middle of a word: "cat(s)";
- a ratio or time in brackets, "(16:9)", and an emoticon behind a comma, "(a cat, :3)";
- a sign that no word touches on its left, that text follows, or that follows a number or a single
  letter: "red+blue", "a - b", "18+", "C++", "A+"; a hyphen that waits: "pre- and post-war".

Only the meaning as weights is read here; what a weight does is for the controls to say.
"""

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace

from crossattn.dialects import NOTATIONS, Dialect
from crossattn.errors import PromptError
from crossattn.inversion_marks import find_inversions, without_marks
from crossattn.lora_tags import find_tags, without_tags
from crossattn.marks import Mark, Weighted
from crossattn.notations import KEYWORD
from crossattn.word_spans import find_words, quoted

LARGEST_WEIGHT = 10.0
"""Weights run from minus this to this."""

_PLUS, _MINUS = 1.1, 0.9
_DECIMALS = 4
_PARTNER = {")": "(", "]": "["}
_ESCAPABLE = frozenset('()[]\\:+-<>{}_.$|"')
_SIGNS = re.compile(r"(?:\++|-+)(?=$|[\s,.;:!?\"')\]])")
_NUMBER_BEHIND = re.compile(r"\d*\.?\d+(?=$|[\s,;:!?\"')\]]|\.(?:\s|$))")
_NUMBER_LIKE = re.compile(r"[+-]?(?:nan|inf|infinity|[.,]*\d[\d.,eE+-]*)", re.IGNORECASE)
_WAITING_HYPHEN = re.compile(
    r"-(?:,\s*|\s+(?:and|or|to|und|oder|et|ou|y|o|e)\s+)[^\W\d_]+[-\u2010]"
)
_ESCAPED = re.compile(rf"[()\[\]\\:+\-<>{{}}_.$|]|{KEYWORD.pattern}")
_BREAK = re.compile(r"BREAK\b\s*")
_INTEREST = re.compile(r"[\\()\[\]+-]|B(?=REAK\b)")


@dataclass(frozen=True)
class _Group:
    start: int  # the first character of the source that the factor is on
    end: int  # one past the last
    factor: float
    number: bool  # whether it was written as a number


def checked_weight(weight: float, where: str) -> float:
    """Return a weight rounded to four decimals; raise PromptError if it is not within bounds."""
    rounded = _rounded(weight)
    if not abs(rounded) <= LARGEST_WEIGHT:
        raise PromptError(
            f"A weight lies between -{LARGEST_WEIGHT:g} and {LARGEST_WEIGHT:g}, but {where} has "
            f"{weight:g}; choose one in that range."
        )
    return rounded


def parse_weights(source: str, dialect: Dialect = "compel") -> Weighted:
    """Return the text with the weight syntax taken out, and the weight of each of its characters.

    Raises PromptError for a weight that is not a number or out of bounds.
    """
    return _Reader(source, dialect).read()


class _Reader:
    """One pass over a source: brackets and marks become groups, all else is kept as text."""

    def __init__(self, source: str, dialect: Dialect) -> None:
        self.raw = source
        self.tags = tuple(find_tags(source, dialect))
        self.inversions = tuple(find_inversions(source, dialect))
        self.source = source = without_marks(without_tags(source), dialect)
        self.notation = NOTATIONS[dialect]
        self.words = find_words(source)
        self.word_starts = [start for start, _ in self.words]
        self.start_by_end = {end: start for start, end in self.words}
        self.kept = [True] * len(source)
        self.spaced: set[int] = set()  # kept, but as a space
        self.groups: list[_Group] = []
        self.marks: list[Mark] = []
        self.breaks: list[int] = []  # in the source

    def read(self) -> Weighted:
        source = self.source
        for start, end, tag in self.tags:
            self._drop(start, end)
            self._mark(start, end, tag.does)
        for start, name, end in self.inversions:
            self._drop(start, name)
            self._mark(start, end, "loads a textual inversion")
        opened: list[int] = []
        at = 0
        plain_from = 0  # just after the last bracket, mark or escape: a weight is read from here on
        while (found := _INTEREST.search(source, at)) is not None:
            at = found.start()
            character = source[at]
            if character == "\\":
                escaped = _ESCAPED.match(source, at + 1)
                if escaped:
                    self._drop(at, at + 1)
                    self._mark(at, escaped.end(), "plain text, by the backslash")
                    plain_from = escaped.end()
                at = escaped.end() if escaped else at + 1
            elif character in "([":
                opened.append(at)
                at = plain_from = at + 1
            elif opened and _PARTNER.get(character) == source[opened[-1]]:
                at = plain_from = self._close(opened.pop(), at, plain_from)
            elif character == "B" and (cut := _BREAK.match(source, at)) and self._alone(at):
                self._break(at, cut.end())
                at = plain_from = cut.end()
            elif character in "+-" and (signs := self._signs_on_word(at)):
                start, end = self.start_by_end[at], at + len(signs)
                self._weigh(start, at, _factor(signs), at, end, number=False)
                at = plain_from = end
            else:
                at += 1
        return self._result()

    def _close(self, start: int, end: int, plain_from: int) -> int:
        """Read the bracket pair at start and end; return where reading goes on."""
        colon = self.source.rfind(":", plain_from, end) if self.source[start] == "(" else -1
        number = self._number(start, colon, end)
        content_end = colon if number else end
        if not self._has_word(start + 1, content_end):
            return end + 1
        if self.source[start] == "[":
            factor, after = self.notation.square, end + 1
            if factor is None:
                self._mark_foreign(start, after, "plain text: square brackets weigh")
                return after
        else:
            factor, after = self._round_factor(start, end, number)
        bare = not number and after == end + 1
        if bare and (self._inside_word(start) or self._inside_word(end)):
            if behind := _NUMBER_BEHIND.match(self.source, after):
                self._mark_foreign(start, behind.end(), "plain text: numbers behind brackets weigh")
            return after
        self._drop(start, start + 1)
        self._weigh(start, content_end, factor, content_end, after, number=bool(number))
        return after

    def _number(self, start: int, colon: int, end: int) -> str:
        """What is written behind the colon of a bracket pair if it is a weight, else nothing."""
        number = self.source[colon + 1 : end].strip() if colon >= 0 else ""
        if not _NUMBER_LIKE.fullmatch(number):
            return ""
        before = self.source[start + 1 : colon]
        whole = number.isdecimal() and self.source[colon + 1].isdecimal()
        if whole and (before[-1:].isdecimal() or re.search(r"[,;.!?]\s*$", before)):
            kind = "a ratio" if before[-1:].isdecimal() else "an emoticon"
            self._mark(colon, end, f"plain text: {kind}, not a weight")
            return ""
        return number

    def _round_factor(self, start: int, end: int, number: str) -> tuple[float, int]:
        """The weight of a pair of round brackets, and the end of what is written behind it."""
        signs = _SIGNS.match(self.source, end + 1) if self.notation.signs else None
        behind = _NUMBER_BEHIND.match(self.source, end + 1) if self.notation.signs else None
        if number:
            factor = _read_number(number, self.source[start : end + 1])
            return (factor * _factor(signs.group()), signs.end()) if signs else (factor, end + 1)
        if signs:
            return _factor(signs.group()), signs.end()
        if behind:
            return float(behind.group()), behind.end()
        return self.notation.round, end + 1

    def _signs_on_word(self, at: int) -> str:
        """The pluses or minuses at this place if they weigh the word before them, else nothing."""
        start = self.start_by_end.get(at)
        signs = _SIGNS.match(self.source, at)
        if start is None or not signs or re.fullmatch(r"[\d.]+", self.source[start:at]):
            return ""
        if at - start == 1 and self.source[start].isascii() and self.source[start].isalpha():
            self._mark(start, signs.end(), "plain text: signs behind a single letter are its own")
        elif _WAITING_HYPHEN.match(self.source, at):
            self._mark(start, signs.end(), "plain text: a hyphen that waits for its word")
        elif not self.notation.signs:
            self._mark_foreign(start, signs.end(), "plain text: signs weigh")
        else:
            return signs.group()
        return ""

    def _weigh(
        self, start: int, end: int, factor: float, mark: int, after: int, *, number: bool
    ) -> None:
        """Note a group from start to end, and drop its mark, which stands up to `after`."""
        self._drop(mark, after)
        if factor == 1 and after == mark + 1 and not number:
            self._mark_foreign(start, after, "taken away: brackets alone weigh")
        else:
            self._mark(start, after, f"× {_rounded(factor):g}")
        self.groups.append(_Group(start, end, factor, number))

    def _break(self, start: int, end: int) -> None:
        before = next((self.source[i] for i in range(start - 1, -1, -1) if self.kept[i]), " ")
        self._drop(start, end)
        if not before.isspace():
            self.kept[start] = True
            self.spaced.add(start)
        self.breaks.append(end)
        self._mark(start, start + 5, "begins a new stretch")

    def _alone(self, at: int) -> bool:
        return not (at and (self.source[at - 1].isalnum() or self.source[at - 1] in "_"))

    def _has_word(self, start: int, end: int) -> bool:
        first = bisect_left(self.word_starts, start)
        return first < len(self.words) and self.words[first][1] <= end

    def _inside_word(self, bracket: int) -> bool:
        around = self.source[max(bracket - 1, 0) : bracket] + self.source[bracket + 1 : bracket + 2]
        return find_words(around) == ((0, 2),)

    def _drop(self, start: int, end: int) -> None:
        self.kept[start:end] = [False] * (end - start)

    def _mark(self, start: int, end: int, does: str) -> None:
        self.marks.append(Mark(start, end, self.raw[start:end], does))

    def _mark_foreign(self, start: int, end: int, does: str) -> None:
        does = f"{does} nothing in {self.notation.system}"
        self.marks.append(Mark(start, end, self.raw[start:end], does, foreign=True))

    def _result(self) -> Weighted:
        opening: dict[int, list[_Group]] = {}
        closing: Counter[int] = Counter()
        for group in sorted(self.groups, key=lambda group: -group.end):
            opening.setdefault(group.start, []).append(group)
            closing[group.end] += 1
        products = [1.0]
        text: list[str] = []
        weights: list[float] = []
        begun = iter([*self.breaks, len(self.source) + 1])
        following = next(begun)
        breaks: list[int] = []
        for at, character in enumerate(self.source):
            del products[len(products) - closing[at] :]
            for group in opening.get(at, ()):
                where = quoted(self.source[group.start : group.end])
                alone = self.notation.innermost and group.number
                products.append(group.factor if alone else products[-1] * group.factor)
                checked_weight(products[-1], where)
            while at >= following:
                breaks.append(len(text))
                following = next(begun)
            if self.kept[at]:
                text.append(" " if at in self.spaced else character)
                weights.append(1.0 if at in self.spaced else _rounded(products[-1]))
        breaks += [len(text)] * (len(self.breaks) - len(breaks))
        marks = tuple(sorted(self.marks, key=lambda mark: (mark.start, -mark.end)))
        loras = tuple(replace(tag, at=sum(self.kept[:start])) for start, _, tag in self.tags)
        named = tuple((sum(self.kept[:at]), sum(self.kept[:end])) for _, at, end in self.inversions)
        return Weighted("".join(text), tuple(weights), tuple(breaks), marks, loras, named)


def _rounded(weight: float) -> float:
    return round(weight, _DECIMALS) + 0.0  # adding 0.0 takes the sign off a zero


def _factor(signs: str) -> float:
    # More signs than this are out of bounds, or 0, anyway, and their power would overflow.
    return (_PLUS if signs[0] == "+" else _MINUS) ** min(len(signs), 500)


def _read_number(number: str, where: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        raise PromptError(
            f"A weight is a number such as 1.3, but {quoted(where)} has {quoted(number)}; "
            "write it with a decimal point."
        ) from None
    return checked_weight(weight, quoted(where))
