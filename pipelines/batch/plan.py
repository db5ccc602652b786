"""The plan of a batch: which pictures, in which order, under which names."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from crossattn.errors import CrossattnError, InputError
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.batch.rows import Row, read_rows
from crossattn.pipelines.batch.sweep import Point, Sweep, with_defaults
from crossattn.pipelines.batch.values import finite, joined, plain
from crossattn.pipelines.files import slug
from crossattn.pipelines.named_words import check_words
from crossattn.pipelines.recipe import Recipe
from crossattn.whole_prompt import plain_text

MOST_ITEMS = 100_000
"""Pictures that one plan may ask for."""

LONGEST_NAME = 100

_plain_text = lru_cache(1024)(plain_text)

_OPEN = {name for name, field in Recipe.model_fields.items() if field.default is None}
_WHOLE = ("seed", "steps", "height", "width", "threads", "version")

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?", re.ASCII)
# Names that Windows keeps for devices, whatever follows the dot.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a plan.

    `id` names its files, and stays when rows are moved or added. `axes` are the values by which
    it differs from its neighbours in a sweep; `where` is the row it comes from.
    """

    id: str
    recipe: Recipe
    axes: Point
    where: str

    def line(self) -> str:
        """Return the item as a row of a plan, in one line of JSON."""
        row: dict[str, Any] = {"id": self.id, **recipe_fields(self.recipe)}
        if self.axes:
            row["axes"] = self.axes
        return json.dumps(row, ensure_ascii=False)


@dataclass(frozen=True)
class Plan:
    """The pictures of a batch, in the order of its rows; `notes` are sentences for people."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)


def read_plan(path: Path, defaults: Mapping[str, Any] | None = None) -> Plan:
    """Read a plan from a file; `defaults` are recipe fields for the rows that do not set them.

    Raises InputError for a file that cannot be read, and RecipeError, PromptError or InputError
    for a row that cannot be used, saying which.
    """
    return make_plan(read_rows(path), defaults)


def make_plan(
    rows: Iterable[Row | Recipe | Mapping[str, Any]], defaults: Mapping[str, Any] | None = None
) -> Plan:
    """Expand rows to a plan: recipes, mappings of recipe fields with or without sweeps, or both.

    Raises as `read_plan` does.
    """
    shared = plain("", dict(defaults or {}))
    items: list[Item] = []
    for number, given in enumerate(rows, start=1):
        row = _as_row(given, number)
        try:
            fields = plain("", row.fields)
            if set(fields) == {"defaults"}:
                shared = joined(shared, _object("defaults", fields["defaults"]))
                continue
            sweep = Sweep.of(with_defaults(shared, fields))
            if len(items) + sweep.size > MOST_ITEMS:
                raise InputError(
                    f"The plan asks for {len(items) + sweep.size:,} pictures up to here; expected "
                    f"at most {MOST_ITEMS:,}; split it."
                )
            items.extend(_items(sweep, row.where))
        except CrossattnError as error:
            raise type(error)(f"{row.where}: {error}") from None
    if not items:
        raise InputError("The plan has no rows; expected at least one with a prompt.")
    items, notes = _told_apart(items)
    return Plan(tuple(items), tuple(notes))


def recipe_fields(recipe: Recipe) -> dict[str, Any]:
    """Return what a recipe sets, without what is as ever: its shortest form as a row."""
    return recipe.model_dump(mode="json", exclude_defaults=True, exclude={"versions", "digests"})


def full_fields(recipe: Recipe) -> dict[str, Any]:
    """Return all fields of a recipe but the versions, which a batch keeps once for all."""
    return recipe.model_dump(mode="json", exclude={"versions"})


def fingerprint(recipe: Recipe) -> str:
    """Return a short digest of everything in a recipe that decides the picture."""
    fields = json.dumps(recipe_fields(recipe), sort_keys=True)
    return hashlib.sha256(fields.encode()).hexdigest()[:12]


def _as_row(given: Row | Recipe | Mapping[str, Any], number: int) -> Row:
    if isinstance(given, Row):
        return given
    if isinstance(given, Recipe):
        return Row(f"row {number}", recipe_fields(given))
    return Row(f"row {number}", dict(given))


def _items(sweep: Sweep, where: str) -> Iterator[Item]:
    for fields, point in sweep:
        fields = dict(fields)
        name = fields.pop("id", None)
        axes = {**_object("axes", fields.pop("axes", None) or {}), **point}
        finite("axes", axes)
        if isinstance(fields.get("edit"), str):
            fields["edit"] = {"prompt": fields["edit"]}
        # What once made a picture is no part of what is asked for.
        recipe = Recipe(**_set(fields)).model_copy(update={"versions": {}, "digests": {}})
        check_words(recipe)
        adapter_files(recipe)
        digest = fingerprint(recipe)
        if name is None:
            prompt = recipe.edit.prompt if recipe.edit else recipe.prompt
            words = _plain_text(prompt, recipe.notation)
            name = f"{slug(words, words=5)}-seed{recipe.seed}-{digest}"
        else:
            name = _checked_name(name)
            # As long as a name may be, for the expanded plan is a plan again.
            name = f"{name[: LONGEST_NAME - 1 - len(digest)]}-{digest}" if sweep.axes else name
        yield Item(name, recipe, axes, where)


def _set(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what fields set: null only where it means something, 7.0 as the 7 that it is."""
    given = {name: value for name, value in fields.items() if value is not None or name in _OPEN}
    for name in _WHOLE:
        value = given.get(name)
        if isinstance(value, float) and value.is_integer():
            given[name] = int(value)
    return given


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not _ID.fullmatch(name) or _DEVICE.fullmatch(name):
        raise InputError(
            "An id names files: it must be 1 to 100 letters, digits, dots, dashes or underscores "
            f"and no device name such as CON, but is {name!r:.60}."
        )
    return name


def _object(key: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InputError(f"{key} must be an object of names and values, but is {given!r:.60}.")
    return dict(given)


def _told_apart(items: list[Item]) -> tuple[list[Item], list[str]]:
    """Return items of different names, and a note for each that was there twice.

    Raises InputError for names that some systems cannot tell apart.
    """
    # Some systems take names that differ in case alone for one.
    seen: dict[str, Item] = {}
    notes: list[str] = []
    for item in items:
        other = seen.setdefault(item.id.lower(), item)
        if other is item:
            continue
        if (item.id, item.recipe, item.axes) == (other.id, other.recipe, other.axes):
            notes.append(f"{item.where} is {other.where} again; it is drawn once.")
            continue
        if item.recipe == other.recipe:
            raise InputError(
                f"{other.where} and {item.where} ask for the same picture; take one out, or give "
                "each an id."
            )
        raise InputError(
            f"{other.where} and {item.where} have the ids {other.id!r} and {item.id!r}, which some "
            "systems cannot tell apart; change one."
        )
    return list(seen.values()), notes
