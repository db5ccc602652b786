"""What a finished batch leaves for people and for programs: a table and a page of pictures."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from crossattn.pipelines.batch.contact_page import contact_page
from crossattn.pipelines.batch.manifest import Record
from crossattn.pipelines.batch.plan import Plan, full_fields
from crossattn.pipelines.batch.sweep import field_path
from crossattn.pipelines.files import write_file
from crossattn.pipelines.recipe import Recipe

_FILES = {"picture": "picture.png", "mask": "mask.png", "trace": "trace.safetensors"}


def write_reports(folder: Path, plan: Plan, records: Mapping[str, Record]) -> None:
    """Write index.html, and results.parquet where pyarrow is installed, anew if they differ.

    Raises InputError if they cannot be written.
    """
    rows = list(table_rows(plan, records))
    axes = list(axis_columns(plan).values())
    reports = {"index.html": contact_page(folder.resolve().name, rows, axes)}
    if has_pyarrow():
        reports["results.parquet"] = parquet(rows)
    for name, data in reports.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            write_file(path, data, replace=True)


def has_pyarrow() -> bool:
    """Say whether pyarrow is there, which Parquet needs."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def table_rows(plan: Plan, records: Mapping[str, Record]) -> Iterator[dict[str, Any]]:
    """Give one flat row for each item in the plan's order: recipe fields, axes, what came of it.

    Nested fields are named with dots, lists are JSON; `report.` is what an edit did. `source` is
    the picture that an edit starts from, where the batch holds it too. `words` stays a list of
    [text, occurrence, cover] with cover how much of the picture the word covers (0 to 1).
    """
    columns = axis_columns(plan)
    sources = _source_pictures(plan, records)
    for item in plan:
        record = records.get(item.id, {"status": "missing"})
        # A failed item has no settled recipe; it has the one that was asked for.
        recipe = record.get("recipe") or full_fields(item.recipe)
        yield {
            "id": item.id,
            "row": item.where,
            "status": record["status"],
            "error": record.get("error"),
            "seconds": record.get("seconds"),
            **{name: record.get("files", {}).get(file) for name, file in _FILES.items()},
            "source": sources.get(_source_key(recipe)) if sources and recipe["edit"] else None,
            **{columns[name]: value for name, value in item.axes.items()},
            # Of a part that a recipe lacks there is no column; "picture" is what was made.
            **{name: cell for name, cell in _flat(recipe) if name not in ("edit", "picture")},
            **dict(_flat(record.get("edit", {}), "report.")),
            "sampler": record.get("sampler"),
            "warnings": "\n".join(record.get("warnings", ())) or None,
            "words": record.get("words", []),
        }


def _source_pictures(plan: Plan, records: Mapping[str, Record]) -> dict[bytes, str]:
    """Return the pictures that edits of the plan may start from, by the key of their recipe."""
    found: dict[bytes, str] = {}
    if any(item.recipe.edit for item in plan):
        for item in plan:
            record = records.get(item.id) if item.recipe.edit is None else None
            if record and record["status"] == "done":
                key = _source_key(record["recipe"])
                found.setdefault(key, record["files"][_FILES["picture"]])
    return found


def _source_key(recipe: Mapping[str, Any]) -> bytes:
    """Return what tells a recipe's source from others: equal fields, whatever the edit."""
    fields = json.dumps({**recipe, "edit": None}, sort_keys=True)
    return hashlib.sha256(fields.encode()).digest()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    """Return rows as a Parquet file; words become a list of {word, occurrence, cover}."""
    import pyarrow
    import pyarrow.parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if name == "words":
            columns[name] = _words([row[name] for row in rows])
        else:
            columns[name] = pyarrow.array(_alike(values))
    file = BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, compression="zstd")
    return file.getvalue()


def _words(lists: list[list[list[Any]]]) -> Any:
    import pyarrow

    ends = accumulate((len(words) for words in lists), initial=0)
    kinds = {"word": pyarrow.string(), "occurrence": pyarrow.int32(), "cover": pyarrow.float32()}
    parts = [
        pyarrow.array((word[place] for words in lists for word in words), kind)
        for place, kind in enumerate(kinds.values())
    ]
    words = pyarrow.StructArray.from_arrays(parts, names=list(kinds))
    return pyarrow.ListArray.from_arrays(pyarrow.array(ends, pyarrow.int32()), words)


def axis_columns(plan: Plan) -> dict[str, str]:
    """Return the column of each axis that the plan's sweeps run along, slowest first.

    That is the recipe field's own, such as seed, where the field has the axis's value in every
    row; a swept prompt that weights are then written into has another, axis.prompt.
    """
    same: dict[str, bool] = {}
    for item in plan:
        for name, value in item.axes.items():
            # The table's "picture" is the file that was made, not what a recipe starts from.
            own = name != "picture" and _asked(item.recipe, name, value)
            same[name] = same.get(name, True) and own
    return {name: name if kept else f"axis.{name}" for name, kept in same.items()}


def _asked(recipe: Recipe, name: str, value: Any) -> bool:
    """Whether an axis is a field of the recipe and has the field's value."""
    inside: Any = recipe
    for part in field_path(name):
        if not isinstance(inside, BaseModel) or part not in type(inside).model_fields:
            return False
        inside = getattr(inside, part)
    return bool(inside == value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        # Thousands of rows have the same names and texts: each is kept once.
        name = sys.intern(f"{prefix}{key}")
        if isinstance(inner, dict):
            yield from _flat(inner, f"{name}.")
        else:
            cell = json.dumps(inner, ensure_ascii=False) if isinstance(inner, list) else inner
            yield name, sys.intern(cell) if isinstance(cell, str) else cell


def _alike(values: list[Any]) -> list[Any]:
    """Make a column of one kind: whole numbers beside fractions become fractions, else texts."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and float in kinds:
        return [None if value is None else float(value) for value in values]
    if len(kinds) > 1 or not kinds <= {int, float, bool, str}:
        return [None if value is None else str(value) for value in values]
    return values
