"""Sweeps: one row that stands for many, as grids, zips, seeds and weights of words.

{"prompt": "a red car", "seeds": "0..7"}                        8 pictures
{"prompt": "a red car", "weights": {"car": [0.5, 1, 1.5]}}      3 pictures
{..., "sweep": {"steps": [10, 25], "guidance": [1, 4, 7]}}      6: every pair
{..., "zip": {"prompt": ["a cat", "a dog"], "seed": [3, 8]}}    2: first with first
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

from crossattn.dialects import NOTATIONS
from crossattn.errors import InputError
from crossattn.pipelines.batch.values import joined
from crossattn.weight_writing import with_weights
from crossattn.words import Prompt, read_prompt

_RANGE = re.compile(r"(-?\d{1,20})\.\.(-?\d{1,20})", re.ASCII)
KEYS = ("sweep", "zip", "weights", "seeds")

MOST_VALUES = 100_000
"""Values that one list or range may have."""

_NAMED = ("weights", "axes", "sweep", "zip", "versions", "digests")
"""Fields that hold others by names which may have dots of their own."""

Point = dict[str, Any]
"""The values that the swept fields have together: {"seed": 3, "weights.car": 1.5}."""


@dataclass(frozen=True)
class Sweep:
    """The fields that a row's recipes share, and the axes along which they differ."""

    fields: dict[str, Any]
    axes: tuple["_Axis", ...]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Sweep":
        """Take the sweeps out of a row; raises InputError for one that cannot be read."""
        fields = {key: value for key, value in row.items() if key not in KEYS}
        axes = [_Axis({name: _values(name, given)}) for name, given in _mapping(row, "sweep")]
        zipped = {name: _values(name, given) for name, given in _mapping(row, "zip")}
        if len(set(map(len, zipped.values()))) > 1:
            lengths = ", ".join(f"{name} has {len(values)}" for name, values in zipped.items())
            raise InputError(f"The lists of a zip must be equally long, but {lengths}.")
        axes += [_Axis(zipped)] if zipped else []
        weights = dict(_mapping(row, "weights"))
        fixed = {word: given for word, given in weights.items() if not _is_many(given)}
        if fixed:
            fields["weights"] = fixed
        axes += [
            _Axis({f"weights.{word}": _values(f"weights.{word}", given)})
            for word, given in weights.items()
            if word not in fixed
        ]
        if row.get("seeds") is not None:
            axes.append(_Axis({"seed": _values("seeds", row["seeds"])}))
        names = [name for axis in axes for name in axis.values]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{twice} is swept twice; take one out.")
        for name in names:
            if _has(fields, field_path(name)):
                raise InputError(f"{name} is set and swept as well; take one out.")
        return cls(fields, tuple(axes))

    @property
    def size(self) -> int:
        """The number of its points, which may be more than can be counted out."""
        return math.prod(map(len, self.axes))

    def __iter__(self) -> Iterator[tuple[dict[str, Any], Point]]:
        """Give the recipe fields of every point, and the point; the last axis runs fastest."""
        for parts in product(*self.axes):
            point = {name: value for part in parts for name, value in part.items()}
            fields = self.fields
            for name, value in point.items():
                fields = _placed(fields, field_path(name), value, name)
            yield _weighted(fields), point


@dataclass(frozen=True)
class _Axis:
    """Fields that change together: one in a grid, several in a zip."""

    values: dict[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def __iter__(self) -> Iterator[Point]:
        for together in zip(*self.values.values(), strict=True):
            yield dict(zip(self.values, together, strict=True))


def field_path(name: str) -> tuple[str, ...]:
    """Return the fields that a dotted name goes through: words and names keep dots of their own.

    "edit.cross" is ("edit", "cross"), "edit.words.st. bernard" ("edit", "words", "st. bernard").
    """
    outer, dot, inner = name.partition(".")
    if not dot:
        return (name,)
    if outer in _NAMED:
        return outer, inner
    if outer == "edit" and inner.startswith("words."):
        return outer, "words", inner.removeprefix("words.")
    return tuple(name.split("."))


def with_defaults(shared: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row joined with what is shared by all rows, at every depth; the row wins.

    What the row sets is no longer swept, and settings of an edit are for rows that have one.
    """
    shared, row = dict(shared), dict(row)
    for fields in (shared, row):
        if isinstance(fields.get("edit"), str):
            fields["edit"] = {"prompt": fields["edit"]}
    own = {field_path(name) for name in _swept(row)}
    for path in own:
        shared = _without(shared, path)
    own |= {(name,) for name in ("seed", "edit") if row.get(name) is not None}
    own |= {("seed",)} if row.get("seeds") is not None else set()
    if ("seed",) in own:
        shared = _without(_without(shared, ["seed"]), ["seeds"])
    edited = ("prompt" in (shared.get("edit") or {})) or any(path[0] == "edit" for path in own)
    edited = edited or bool({"edit", "edit.prompt"} & set(_swept(shared)))
    if not edited:
        shared.pop("edit", None)
    for key in ("sweep", "zip"):
        if isinstance(shared.get(key), dict):
            shared[key] = {
                name: values
                for name, values in shared[key].items()
                if field_path(name) not in own
                and not _has(row, field_path(name))
                and (edited or field_path(name)[0] != "edit")
            }
    return joined(shared, row)


def _swept(row: Mapping[str, Any]) -> list[str]:
    found = (row.get(key) for key in ("sweep", "zip"))
    return [str(name) for given in found if isinstance(given, dict) for name in given]


def _without(fields: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Return objects without one field at any depth."""
    key, *rest = path
    if not rest or not isinstance(fields.get(key), dict):
        return {name: value for name, value in fields.items() if name != key or rest}
    return {**fields, key: _without(fields[key], rest)}


def _mapping(row: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    given = row.get(key)
    if given is None:
        return []
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise InputError(f"{key} must be an object of names and values, but is {given!r:.60}.")
    return list(given.items())


def _is_many(given: Any) -> bool:
    return isinstance(given, list) or (isinstance(given, str) and bool(_RANGE.fullmatch(given)))


def _values(name: str, given: Any) -> Sequence[Any]:
    found = _RANGE.fullmatch(given) if isinstance(given, str) else None
    values = range(int(found[1]), int(found[2]) + 1) if found else given
    if isinstance(values, range) and values.stop - values.start > MOST_VALUES:
        raise InputError(
            f"{name} asks for {values.stop - values.start:,} values; expected at most "
            f"{MOST_VALUES:,}; split it."
        )
    if not isinstance(values, list | range) or not values:
        raise InputError(
            f"{name} must be a list of values, or a range such as 0..7, but is {given!r:.60}."
        )
    return values


def _has(fields: Mapping[str, Any], path: Sequence[str]) -> bool:
    inside: Any = fields
    for part in path:
        if not isinstance(inside, Mapping) or part not in inside:
            return False
        inside = inside[part]
    return inside is not None


def _placed(inside: Any, path: Sequence[str], value: Any, name: str) -> Any:
    """Return a copy of nested objects and lists with one value put in at a dotted path."""
    key, *rest = path
    if isinstance(inside, list):
        if not key.isdecimal() or int(key) >= len(inside):
            raise InputError(f"{name} is swept, but there is no {key!r:.60} in the list.")
        copy: Any = list(inside)
        copy[int(key)] = _placed(copy[int(key)], rest, value, name) if rest else value
        return copy
    if not isinstance(inside, dict):
        raise InputError(f"{name} is swept, but what holds {key!r:.60} is no object.")
    return {**inside, key: _placed(inside.get(key, {}), rest, value, name) if rest else value}


def _weighted(fields: dict[str, Any]) -> dict[str, Any]:
    """Write the weights of words into the prompt; of an edit, into that of the target."""
    if "weights" not in fields:
        return fields
    rest = {key: value for key, value in fields.items() if key != "weights"}
    edit = rest.get("edit")
    if isinstance(edit, dict):
        return {**rest, "edit": {**edit, "prompt": _written(edit.get("prompt"), fields)}}
    key = "prompt" if edit is None else "edit"
    return {**rest, key: _written(rest.get(key), fields)}


@lru_cache(1024)
def _read(text: str, dialect: Any) -> Prompt:
    # The points of a sweep have the same prompt over and over.
    return read_prompt(text, dialect=dialect)


def _written(text: Any, fields: dict[str, Any]) -> str:
    if not isinstance(text, str):
        raise InputError("weights are for the words of a prompt, and there is no prompt.")
    weights, dialect = fields["weights"], fields.get("dialect")
    # A dialect that is none is told when the recipe is made.
    known = isinstance(dialect, str) and dialect in NOTATIONS
    prompt = _read(text, dialect if known else "compel")
    places: dict[int, float] = {}
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise InputError(f"The weight of {name!r:.60} must be a number, but is {weight!r:.60}.")
        places |= {prompt.words.index(word): weight for word in prompt.named(name)}
    return with_weights(prompt, places)
