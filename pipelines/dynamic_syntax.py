"""Dynamic prompts taken apart: choices, wildcards and variables, in each other.

{red|blue}            one of the texts
{3::red|blue}         red three times as often as blue
{2$$a|b|c}            two of them, joined by ", "; {1-2$$…} one or two, {2$$ and $$…} joined so
__colour__            a line of colour.txt in the folder of wildcards; __colours/*__ of many files
${v={red|blue}}       a variable, chosen anew wherever ${v} stands; ${v=!{…}} is chosen once

The notation is that of sd-dynamic-prompts and Krita. A backslash makes the next mark plain, here
and in the prompt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from crossattn.errors import InputError
from crossattn.word_spans import quoted

DEEPEST = 30
"""Choices may stand in each other this deep."""
LONGEST = 300
"""Choices and texts may stand behind each other this often."""

_HEAD = re.compile(r"(\d+)?(-)?(\d+)?\$\$(?:([^${}|]*)\$\$)?")
_WEIGHT = re.compile(r"\s*(\d+(?:\.\d+)?)::")
_WILDCARD = re.compile(r"__([\w/*.~-]+?)__")
_VARIABLE = re.compile(r"\$\{(\w+)(=!?|:)?")


@dataclass(frozen=True)
class Choice:
    source: str
    least: int
    most: int
    joined: str
    options: "tuple[tuple[float, Nodes], ...]"

    def picks(self) -> "Iterator[tuple[Nodes, ...]]":
        for count in range(self.least, self.most + 1):
            yield from combinations([nodes for _, nodes in self.options], count)


@dataclass(frozen=True)
class Assign:
    name: str
    value: "Nodes"
    once: bool


@dataclass(frozen=True)
class Variable:
    name: str
    otherwise: "Nodes | None"


Nodes = tuple["str | Choice | Assign | Variable", ...]
"""Plain texts and what is chosen between them."""


def read_dynamic(text: str, wildcards: Path | None = None) -> Nodes:
    """Take a text apart; raises InputError where it cannot be read.

    `wildcards` is the folder that __names__ are looked up in.
    """
    reader = _Reader(text, wildcards, ())
    nodes = reader.read(0, "")
    if reader.at < len(text):
        raise InputError(f"{quoted(text)} has a }} without a {{; write \\}} for a plain one.")
    return nodes


class _Reader:
    def __init__(self, text: str, wildcards: Path | None, looking: tuple[str, ...]) -> None:
        self.text = text
        self.at = 0
        self._wildcards = wildcards
        self._looking = looking

    def read(self, depth: int, until: str) -> Nodes:
        if depth > DEEPEST:
            raise InputError(f"Choices stand in each other more than {DEEPEST} deep; use fewer.")
        nodes: list[str | Choice | Assign | Variable] = []
        text = self.text
        begun = self.at

        def plain() -> None:
            if begun < self.at:
                nodes.append(text[begun : self.at])

        while self.at < len(text) and text[self.at] not in (until or "}"):
            if text[self.at] == "\\":
                self.at = min(self.at + 2, len(text))
                continue
            variable = _VARIABLE.match(text, self.at)
            wildcard = _WILDCARD.match(text, self.at)
            if text[self.at] != "{" and not variable and not wildcard:
                self.at += 1
                continue
            plain()
            if variable:
                nodes.append(self._variable(variable, depth))
            elif wildcard:
                self.at = wildcard.end()
                nodes.append(self._lines(wildcard[1], depth))
            else:
                nodes.append(self._choice(depth))
            begun = self.at
        plain()
        if len(nodes) > LONGEST:
            raise InputError(f"A text has more than {LONGEST} choices and texts; use fewer.")
        return tuple(nodes)

    def _choice(self, depth: int) -> Choice:
        start = self.at
        self.at += 1
        head = _HEAD.match(self.text, self.at)
        if head:
            self.at = head.end()
        options: list[tuple[float, Nodes]] = []
        while True:
            weight = _WEIGHT.match(self.text, self.at)
            if weight:
                self.at = weight.end()
            options.append((float(weight[1]) if weight else 1.0, self.read(depth + 1, "|}")))
            closed = self.text[self.at : self.at + 1]
            if not closed:
                raise InputError(
                    f"{quoted(self.text[start:])} has a {{ without a }}; a plain one is \\{{."
                )
            self.at += 1
            if closed == "}":
                break
        source = self.text[start : self.at]
        least = int(head[1] or 0) if head else 1
        most = (int(head[3] or len(options)) if head[2] else least) if head else 1
        if not least <= most <= len(options) or sum(weight for weight, _ in options) <= 0:
            raise InputError(
                f"{quoted(source)} has {len(options)} texts to choose from, so {least} to {most} "
                "cannot be taken; write {2$$a|b|c}, or weights above 0."
            )
        joined = head[4] if head and head[4] is not None else ", "
        return Choice(source, least, most, joined, tuple(options))

    def _variable(self, found: re.Match[str], depth: int) -> Assign | Variable:
        self.at = found.end()
        value = self.read(depth + 1, "}") if found[2] else None
        if self.text[self.at : self.at + 1] != "}":
            raise InputError(f"{quoted(found[0])} is a variable without its }}; close it.")
        self.at += 1
        if found[2] in ("=", "=!"):
            return Assign(found[1], value or (), once=found[2] == "=!")
        return Variable(found[1], value)

    def _lines(self, name: str, depth: int) -> Choice:
        source = f"__{name}__"
        if name in self._looking or depth > DEEPEST:
            raise InputError(f"{source} leads back to itself; take it out of its own file.")
        if self._wildcards is None:
            raise InputError(f"{source} is a line of a file: give the folder of wildcards.")
        root = self._wildcards.resolve()
        files = sorted(
            path for path in root.glob(f"{name}.txt") if path.resolve().is_relative_to(root)
        )
        try:
            lines = [line for path in files for line in path.read_text("utf-8").splitlines()]
        except (OSError, UnicodeError) as error:
            raise InputError(
                f"{source}: a file of {root} cannot be read as text: {error}"
            ) from None
        texts = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        if not texts:
            raise InputError(f"{source} has no lines: there is nothing in {name}.txt in {root}.")
        options = []
        for text in texts:
            inner = _Reader(text, self._wildcards, (*self._looking, name))
            weight = _WEIGHT.match(text)
            inner.at = weight.end() if weight else 0
            options.append((float(weight[1]) if weight else 1.0, inner.read(depth + 1, "")))
        return Choice(source, 1, 1, "", tuple(options))
