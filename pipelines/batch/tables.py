"""Plans as tables: the columns of CSV and Parquet files as the fields of rows."""

import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from crossattn.errors import InputError
from crossattn.pipelines.batch.json_values import load_json
from crossattn.pipelines.batch.sweep import KEYS, field_path
from crossattn.pipelines.recipe import Recipe

FIELDS = {*Recipe.model_fields, *KEYS, "id", "axes", "defaults"}
"""What a column may be named, or begin with."""

ELSEWHERE = {
    "caption": "prompt",
    "cfg": "guidance",
    "cfg_scale": "guidance",
    "checkpoint": "model",
    "guidance_scale": "guidance",
    "negative": "negative_prompt",
    "num_inference_steps": "steps",
    "sampler": "scheduler",
    "sampler_name": "scheduler",
    "size": "width and height",
    "target": "edit",
    "text": "prompt",
}
"""What fields are called in other programs, whose owners mean them to act."""

SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """Columns, and the cells of each row with the place of the row, for messages ("line 3").

    `text` says that cells are texts whose meaning depends on the column.
    """

    columns: Sequence[str]
    rows: Iterable[tuple[str, Sequence[Any]]]
    text: bool


def row_fields(table: Table, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the place and the fields of each row that has any; empty cells set nothing.

    Columns that are no fields are carried along as axes. Raises InputError for columns that cannot
    be told apart or are misspelt, and for a cell that cannot be read.
    """
    rows = list(table.rows)
    columns = _named(table.columns, [cells for _, cells in rows], name)
    for where, cells in rows:
        fields: dict[str, Any] = {}
        for column, cell in zip(columns, cells, strict=False):
            if column is None:
                continue
            try:
                value = cell_value(column, cell) if table.text else _without_nulls(cell)
            except InputError as error:
                raise InputError(f"{name}, {where}: {error}") from None
            if value is not None:
                set_field(fields, column, value)
        if fields:
            yield where, fields


def set_field(fields: dict[str, Any], name: str, value: Any) -> None:
    """Set a field by its dotted name, in objects that are made as needed."""
    *outer, last = field_path(name)
    for key in outer:
        fields = fields.setdefault(key, {})
    fields[last] = value


def cell_value(column: str, cell: str) -> Any:
    """Return what the text of a cell means in the column of a recipe field; None if it is empty.

    Raises InputError for an object with a key twice or a number that JSON lacks.
    """
    if not cell.strip() or (cell.strip() in ("NaN", "nan") and not _is_text(column)):
        return None
    if column == "edit":
        return load_json(cell, column) if cell.lstrip().startswith("{") else cell
    if column == "id" or _is_text(column):
        return cell
    if cell.lstrip().startswith(("{", "[")) and not column.startswith("axes."):
        return load_json(cell, column)
    try:
        return load_json(cell, column)
    except InputError:
        # What it is then told in the words of the recipe: "seed must be ..., but is '7 or 8'".
        return cell


def read_csv(text: str, name: str) -> Table:
    """Read a table of texts; raises InputError for what is no CSV."""
    first, _, rest = text.partition("\n")
    skipped = 0
    # Spreadsheets write the separator of their country, and some say so first.
    if first.startswith("sep=") and len(first.strip()) == 5:
        delimiter, text, skipped = first[4], rest, 1
    else:
        delimiter = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        rows = [(f"line {reader.line_num + skipped}", cells) for cells in reader]
    except csv.Error as error:
        line = reader.line_num + skipped
        raise InputError(f"{name}, line {line} is not CSV: {error}; mend it.") from None
    for where, cells in rows:
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise InputError(
                f"{name}, {where} has {len(cells)} cells for {len(columns)} columns; put a cell "
                "that holds the separator in quotes."
            )
    return Table(columns, rows, text=True)


def read_parquet(path: Path) -> Table:
    """Read a table of values; raises InputError if it is not sound or pyarrow is not there."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path} is Parquet, which needs pyarrow: pip install 'crossattn[batch]'."
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
        columns = [column.to_pylist(maps_as_pydicts="strict") for column in table.columns]
    except Exception as error:
        # Damaged files and values that Python lacks end in errors of a dozen kinds.
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as Parquet ({reason}); write it anew.") from None
    cells = zip(*columns, strict=True)
    rows = ((f"row {number}", row) for number, row in enumerate(cells, start=1))
    return Table(table.column_names, rows, text=False)


def _named(columns: Sequence[str], rows: Sequence[Sequence[Any]], name: str) -> list[str | None]:
    """Return what each column sets: a field, an axis, or None for what is nobody's."""
    named = [_field(column, place, rows, name) for place, column in enumerate(columns)]
    given = [column for column in named if column is not None]
    for column in given:
        inner = [other for other in given if other.startswith(f"{column}.")]
        if given.count(column) > 1 or inner:
            fault = f"{column!r:.60} beside {inner[0]!r:.60}" if inner else f"{column!r:.60} twice"
            raise InputError(f"{name} must name each field in one column, but has {fault}.")
    if not given:
        raise InputError(f"{name} must name its columns in its first line, but names none.")
    return named


def _field(column: str, place: int, rows: Sequence[Sequence[Any]], name: str) -> str | None:
    outer, dot, inner = column.partition(".")
    if outer in FIELDS:
        return column
    plain = outer.strip().lower().replace(" ", "_")
    if plain in FIELDS:
        return f"{plain}{dot}{inner}"
    cells = [cells[place] for cells in rows if place < len(cells)]
    if not column or column.startswith(("__index_level_", "Unnamed: ")):
        # The numbers of rows that pandas writes beside them, and a spreadsheet's empty columns.
        filled = [str(cell).strip() for cell in cells if cell is not None and str(cell).strip()]
        if not filled or column or filled in _row_numbers(len(cells)):
            return None
        raise InputError(f"{name} has a column without a name that holds {filled[0]!r:.60}.")
    near = ELSEWHERE.get(plain) or " or ".join(
        difflib.get_close_matches(plain, FIELDS, n=1, cutoff=0.75)
    )
    if near or dot:
        hint = f"did you mean {near}?" if near else "put axes. before it to carry it along"
        raise InputError(f"{name} has the column {column!r:.60}, which is not a field ({hint}).")
    return f"axes.{column}"


def _row_numbers(count: int) -> list[list[str]]:
    return [[str(number) for number in range(first, first + count)] for first in (0, 1)]


def _without_nulls(value: Any) -> Any:
    """Return a value without what Parquet fills its structs up with; None if nothing is left."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, dict):
        kept = {key: _without_nulls(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one is not None} or None
    return value


def _is_text(column: str) -> bool:
    """Say whether a recipe field, or one within such as edit.prompt, holds text."""
    kinds: Iterable[Any] = [Recipe]
    for name in column.split("."):
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        fields = [model.model_fields[name] for model in models if name in model.model_fields]
        kinds = [kind for field in fields for kind in _kinds(field.annotation)]
    return str in kinds


def _kinds(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) is Literal:
        return {type(choice) for choice in get_args(annotation)}
    if isinstance(annotation, UnionType):
        return {kind for part in get_args(annotation) for kind in _kinds(part)}
    return {annotation}
