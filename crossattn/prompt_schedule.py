"""Prompts that change during the run, and prompts joined by AND, as AUTOMATIC1111 reads them.

`[from:to:when]` puts one text in the place of another, `[to:when]` adds one, `[from::when]` takes
one away; `when` is a share of the run with a point (0.3) or a number of steps (8). `[a|b]` takes
turns, step by step. They may stand in each other, and hold weights and be held by them. `AND`
between prompts draws by all of them at once, each with the weight behind its last colon.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from crossattn.errors import PromptError
from crossattn.weight_syntax import checked_weight
from crossattn.word_spans import quoted

_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*")
_AND = re.compile(r"(?<!\\)\bAND\b")
_PART_WEIGHT = re.compile(r"\s*:\s*([-+]?(?:\d+\.?\d*|\.\d+))\s*$")
_MARK = re.compile(r"\\.|<lora:[^<>]*>|[()\[\]|:]", re.DOTALL)
DEEPEST = 50
"""Schedules may stand in each other this deep."""


@dataclass(frozen=True)
class Part:
    """One of the prompts that draw at a step: what is left to read of it, and its weight by AND."""

    source: str
    weight: float = 1.0


@dataclass(frozen=True)
class Switch:
    """One text until a time and another from then on; `when` as it was written."""

    source: str
    before: "Text"
    after: "Text"
    when: str
    spans: tuple[tuple[int, int], ...]
    """Where the two texts stand in `source`."""

    def last(self, steps: int) -> int:
        """The number of steps, of `steps`, that the first text has."""
        share = float(self.when)
        return min(steps, int(share * steps + 1e-9) if "." in self.when else int(share))


@dataclass(frozen=True)
class Turns:
    """Texts that take turns, step by step."""

    source: str
    texts: "tuple[Text, ...]"
    spans: tuple[tuple[int, int], ...]
    """Where the texts stand in `source`."""


Text = tuple[str | Switch | Turns, ...]


def is_scheduled(source: str) -> bool:
    """Whether a prompt changes during the run; raises PromptError for a schedule that is none."""
    return any(not isinstance(each, str) for each in _parse(source))


def is_several(source: str) -> bool:
    """Whether a prompt changes during the run, or has AND; raises PromptError as both do."""
    return is_scheduled(source) or len(parts(source)) > 1


def changes(source: str) -> tuple[Switch | Turns, ...]:
    """Return the outermost schedules of a prompt, in order; raises as `is_scheduled`."""
    return tuple(each for each in _parse(source) if not isinstance(each, str))


def at_step(source: str, step: int, steps: int) -> str:
    """Return what a prompt says at one of its steps, counted from 0; raises as `is_scheduled`."""
    return _at(_parse(source), step, steps)


def parts(source: str) -> tuple[Part, ...]:
    """Split a prompt at each AND; raises PromptError for a part without a word."""
    texts = _AND.split(source)
    if len(texts) == 1:
        return (Part(source),)
    found = []
    for text in texts:
        weight = _PART_WEIGHT.search(text)
        bare = text[: weight.start()] if weight else text
        if not bare.strip():
            raise PromptError(
                f"AND stands between prompts, but one side of it is empty in {quoted(source)}; "
                "take it out, or write \\AND for the word."
            )
        where = quoted(text.strip())
        found.append(Part(bare, checked_weight(float(weight[1]), where) if weight else 1.0))
    return tuple(found)


def plan(source: str, steps: int) -> tuple[tuple[tuple[Part, ...], tuple[int, ...]], ...]:
    """Return the prompts that a run of `steps` is drawn by, each with the steps it is drawn at.

    In the order in which they come first. Raises PromptError for a schedule or AND that is none.
    """
    found: dict[str, list[int]] = {}
    if not is_scheduled(source):
        return ((parts(source), tuple(range(steps))),)
    for step in range(steps):
        found.setdefault(at_step(source, step, steps), []).append(step)
    return tuple((parts(text), tuple(when)) for text, when in found.items())


def _at(text: Text, step: int, steps: int) -> str:
    said = []
    for each in text:
        if isinstance(each, str):
            said.append(each)
        elif isinstance(each, Turns):
            said.append(_at(each.texts[step % len(each.texts)], step, steps))
        else:
            chosen = each.before if step < each.last(steps) else each.after
            said.append(_at(chosen, step, steps))
    return "".join(said)


@lru_cache(64)
def _parse(source: str) -> Text:
    if "[" not in source:
        return (source,)
    return _read(source, _pairs(source), 0, len(source), 0)


@dataclass(frozen=True)
class _Bracket:
    end: int
    bars: tuple[int, ...]
    colons: tuple[int, ...]


def _pairs(source: str) -> dict[int, _Bracket]:
    """The square brackets that have a partner: where each ends, and the marks of its own inside."""
    found: dict[int, _Bracket] = {}
    opened: list[tuple[int, list[int], list[int]]] = []
    for match in _MARK.finditer(source):
        mark, at = match.group(), match.start()
        if mark in ("(", "["):
            opened.append((at, [], []))
        elif mark in (")", "]"):
            partner = "(" if mark == ")" else "["
            if opened and source[opened[-1][0]] == partner:
                start, bars, colons = opened.pop()
                if mark == "]":
                    found[start] = _Bracket(at, tuple(bars), tuple(colons))
        elif opened and mark in ("|", ":"):
            _, bars, colons = opened[-1]
            (bars if mark == "|" else colons).append(at)
    return found


def _read(source: str, pairs: dict[int, _Bracket], start: int, end: int, depth: int) -> Text:
    if depth > DEEPEST:
        raise PromptError(f"Schedules stand in each other more than {DEEPEST} deep; write fewer.")
    return tuple(_nodes(source, pairs, start, end, depth))


def _nodes(
    source: str, pairs: dict[int, _Bracket], start: int, end: int, depth: int
) -> Iterator[str | Switch | Turns]:
    done = start
    for at in sorted(place for place in pairs if start <= place < end) if pairs else ():
        if at < done:
            continue
        node = _node(source, pairs, at, depth)
        if node is not None:
            if done < at:
                yield source[done:at]
            yield node
            done = pairs[at].end + 1
    if done < end:
        yield source[done:end]


def _node(source: str, pairs: dict[int, _Bracket], at: int, depth: int) -> Switch | Turns | None:
    pair = pairs[at]
    whole = source[at : pair.end + 1]
    if pair.bars:
        if pair.colons:
            raise PromptError(
                f"{quoted(whole)} takes turns and has a colon of its own, which has no meaning "
                "here; put the weight of a text into brackets, [a|(b:1.2)]."
            )
        cuts = (at, *pair.bars, pair.end)
        return Turns(whole, _between(source, pairs, cuts, depth), _spans(at, cuts))
    if not pair.colons or not _NUMBER.fullmatch(source, pair.colons[-1] + 1, pair.end):
        return None
    when = source[pair.colons[-1] + 1 : pair.end].strip()
    late = "." in when and float(when) > 1
    if len(pair.colons) > 2 or late or float(when) < 0:
        raise PromptError(
            f"{quoted(whole)} is not a change of words that can be read: write [from:to:0.3], "
            "[to:0.3] or [from::0.3] with a share of the run or a whole number of steps; a weight "
            "stands in round brackets, (word:1.3)."
        )
    cuts = (at, *pair.colons)
    texts, spans = _between(source, pairs, cuts, depth), _spans(at, cuts)
    before, after = texts if len(texts) == 2 else ((), texts[0])
    return Switch(whole, before, after, when, spans if len(texts) == 2 else ((0, 0), *spans))


def _spans(at: int, cuts: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((left + 1 - at, right - at) for left, right in pairwise(cuts))


def _between(
    source: str, pairs: dict[int, _Bracket], cuts: tuple[int, ...], depth: int
) -> tuple[Text, ...]:
    """The texts between marks at these places."""
    return tuple(_read(source, pairs, left + 1, right, depth + 1) for left, right in pairwise(cuts))
