"""Dynamic prompts: one text that stands for many, expanded in full or by chance."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from crossattn.errors import InputError
from crossattn.pipelines.dynamic_syntax import (
    DEEPEST,
    Assign,
    Choice,
    Nodes,
    Variable,
    read_dynamic,
)

MOST = 1_000_000
"""Prompts that one text may be expanded to in full."""


@dataclass(frozen=True)
class Expanded:
    """One prompt, and what was chosen for it: (what stood there, what was taken) in order."""

    prompt: str
    chosen: tuple[tuple[str, str], ...]


@dataclass
class _State:
    """What was said so far, and what variables stand for."""

    text: str = ""
    chosen: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, Nodes] = field(default_factory=dict)


class DynamicPrompt:
    """A text that stands for many prompts, as `read_dynamic` takes it apart; raises as it does."""

    def __init__(self, text: str, wildcards: Path | None = None) -> None:
        self.text = text
        self._nodes = read_dynamic(text, wildcards)

    @cached_property
    def count(self) -> int:
        """How many prompts it stands for."""
        return _count(self._nodes, {})[0]

    def all(self) -> Iterator[Expanded]:
        """Every prompt that it stands for, in order; raises InputError for more than a million."""
        if self.count > MOST:
            raise InputError(
                f"The text stands for {self.count:,} prompts, more than {MOST:,}: take some by "
                "chance, or leave choices out."
            )
        for state in _all(self._nodes, _State()):
            yield Expanded(state.text, state.chosen)

    def some(self, count: int, seed: int = 0) -> Iterator[Expanded]:
        """That many prompts by chance, the same for the same seed; the same one may come again."""
        chance = random.Random(seed)
        for _ in range(count):
            state = _one(self._nodes, _State(), chance)
            yield Expanded(state.text, state.chosen)


def _with(state: _State, choice: Choice, said: Sequence[str]) -> _State:
    taken = choice.joined.join(said)
    chosen = (*state.chosen, (choice.source, taken))
    return _State(state.text + taken, chosen, state.variables)


def _value(node: Variable, state: _State) -> Nodes:
    value = state.variables.get(node.name, node.otherwise)
    if value is None:
        raise InputError(
            f"The variable ${{{node.name}}} has no value; set it by ${{{node.name}=…}}."
        )
    return value


def _all(nodes: Nodes, state: _State, depth: int = 0) -> Iterator[_State]:
    if depth > 2 * DEEPEST:
        raise InputError("A variable leads back to itself; take it out of its own value.")
    if not nodes:
        yield state
        return
    node, rest = nodes[0], nodes[1:]
    for after in _all_of(node, state, depth):
        yield from _all(rest, after, depth)


def _all_of(
    node: "str | Choice | Assign | Variable", state: _State, depth: int
) -> Iterator[_State]:
    if isinstance(node, str):
        yield _State(state.text + node, state.chosen, state.variables)
    elif isinstance(node, Variable):
        yield from _all(_value(node, state), state, depth + 1)
    elif isinstance(node, Assign):
        if not node.once:
            yield _State(state.text, state.chosen, {**state.variables, node.name: node.value})
            return
        for made in _all(node.value, _State("", state.chosen, state.variables), depth + 1):
            known = {**state.variables, node.name: (made.text,)}
            yield _State(state.text, made.chosen, known)
    else:
        for picked in node.picks():
            for said, last in _each(picked, state, depth):
                yield _with(last, node, said)


def _each(picked: Sequence[Nodes], state: _State, depth: int) -> Iterator[tuple[list[str], _State]]:
    """Every way to say the picked texts, one after the other, and the state without their text."""
    if not picked:
        yield [], state
        return
    for made in _all(picked[0], _State("", state.chosen, state.variables), depth + 1):
        after = _State(state.text, made.chosen, made.variables)
        for said, last in _each(picked[1:], after, depth):
            yield [made.text, *said], last


def _one(nodes: Nodes, state: _State, chance: random.Random, depth: int = 0) -> _State:
    if depth > 2 * DEEPEST:
        raise InputError("A variable leads back to itself; take it out of its own value.")
    for node in nodes:
        if isinstance(node, str):
            state = _State(state.text + node, state.chosen, state.variables)
        elif isinstance(node, Variable):
            state = _one(_value(node, state), state, chance, depth + 1)
        elif isinstance(node, Assign):
            value = node.value
            if node.once:
                made = _one(value, _State("", (), state.variables), chance, depth + 1)
                value = (made.text,)
            state = _State(state.text, state.chosen, {**state.variables, node.name: value})
        else:
            state = _picked(node, state, chance, depth)
    return state


def _picked(node: Choice, state: _State, chance: random.Random, depth: int) -> _State:
    left = list(enumerate(node.options))
    taken: list[int] = []
    for _ in range(chance.randint(node.least, node.most)):
        weights = [weight for _, (weight, _) in left]
        if sum(weights) <= 0:
            break
        [at] = chance.choices(range(len(left)), weights)
        taken.append(left.pop(at)[0])
    said = []
    for index in sorted(taken):
        made = _one(node.options[index][1], _State("", (), state.variables), chance, depth + 1)
        said.append(made.text)
        state = _State(state.text, (*state.chosen, *made.chosen), state.variables)
    return _with(state, node, said)


def _count(nodes: Nodes, variables: Mapping[str, int]) -> tuple[int, Mapping[str, int]]:
    """How many prompts nodes stand for, and how many each variable does behind them."""
    total = 1
    for node in nodes:
        if isinstance(node, Variable):
            other = _count(node.otherwise, variables)[0] if node.otherwise is not None else 1
            total *= variables.get(node.name, other)
        elif isinstance(node, Assign):
            count, _ = _count(node.value, variables)
            total *= count if node.once else 1
            variables = {**variables, node.name: 1 if node.once else count}
        elif isinstance(node, Choice):
            counts = [_count(nodes, variables)[0] for _, nodes in node.options]
            sums = [1, *[0] * node.most]  # elementary symmetric sums
            for count in counts:
                for size in range(node.most, 0, -1):
                    sums[size] += sums[size - 1] * count
            total *= sum(sums[node.least : node.most + 1])
    return total, variables
