"""Reading the rows of a plan: JSONL, JSON, YAML, CSV and Parquet, each mistake named by its place.

A row is a set of recipe fields. An object with the one key `defaults` is for all rows behind it,
and a JSON or YAML file may be `{defaults: {...}, rows: [...]}`.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from crossattn.errors import InputError
from crossattn.pipelines.batch.pie_bench import is_pie_bench, read_pairs
from crossattn.pipelines.batch.yaml_rows import load_yaml
from crossattn.pipelines.recipe import Recipe

LARGEST_FILE = 500_000_000
"""Bytes that a file of rows may have."""

SUFFIXES = (".jsonl", ".ndjson", ".json", ".yaml", ".yml", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Row:
    """The fields that one row sets, and where it stands, for messages ("edits.csv, line 3")."""

    where: str
    fields: dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Read the rows of a plan file; the ending of its name says the format.

    Raises InputError if the file is missing, too large, of another format, or not sound.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no plan: expected a file ending in {', '.join(SUFFIXES)}.")
    if suffix == ".parquet":
        return list(_parquet(path))
    text = _text(path)
    if suffix in (".jsonl", ".ndjson"):
        return list(_json_lines(path.name, text))
    if suffix in (".csv", ".tsv"):
        return list(_csv(path.name, text))
    data = load_json(text, path.name) if suffix == ".json" else load_yaml(text, path.name)
    if is_pie_bench(data):
        pairs = read_pairs(data, path.parent)
        return [Row(f"{path.name}, entry {pair.id!r:.60}", pair.row()) for pair in pairs]
    return list(_listed(path.name, data))


def load_json(text: str, where: str) -> Any:
    """Read one JSON value, strictly: no key twice, no NaN; raises InputError saying where."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if "\n" in text else error.colno
        raise InputError(f"{where} is not JSON: {error.msg} at {place}; mend it.") from None
    except RecursionError:
        raise InputError(f"{where} is nested too deep; expected an object of fields.") from None
    except ValueError as error:
        raise InputError(f"{where} cannot be used: {str(error).split(';')[0]}.") from None


def cell_value(column: str, cell: str) -> Any:
    """Return what the text of a cell means in the column of a recipe field."""
    if column == "id" or _is_text(column):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        # What it is then told in the words of the recipe: "seed must be ..., but is '7 or 8'".
        return cell


def _text(path: Path) -> str:
    _check_size(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; save it again as UTF-8.") from None


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"There is no plan {path}; give a file that is there.")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path} has over {LARGEST_FILE // 1_000_000} MB; split it.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r:.60} is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number that JSON has")


def _json_lines(name: str, text: str) -> Iterator[Row]:
    # Not splitlines: a prompt may hold the other separators that Unicode has.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{name}, line {number}"
            yield _row(where, load_json(line, where))


def _listed(name: str, data: Any) -> Iterator[Row]:
    if isinstance(data, dict) and "rows" in data:
        unknown = set(data) - {"rows", "defaults"}
        if unknown:
            raise InputError(
                f"{name} must have rows and defaults only, but has {sorted(unknown)[0]!r:.60} "
                "too; move it into defaults."
            )
        if data.get("defaults") is not None:
            yield _row(name, {"defaults": data["defaults"]})
        data = data["rows"]
    rows = data if isinstance(data, list) else [data]
    for number, fields in enumerate(rows, start=1):
        yield _row(f"{name}, row {number}" if isinstance(data, list) else name, fields)


def _row(where: str, fields: Any) -> Row:
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise InputError(f"{where} must be an object of recipe fields, but is {fields!r:.60}.")
    return Row(where, fields)


def _csv(name: str, text: str) -> Iterator[Row]:
    header = text.partition("\n")[0]
    # Spreadsheets write the separator of their country.
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
        _check_columns(name, columns)
        for cells in reader:
            where = f"{name}, line {reader.line_num}"
            if len(cells) > len(columns):
                raise InputError(
                    f"{where} has {len(cells)} cells for {len(columns)} columns; put a cell that "
                    "holds the separator in quotes."
                )
            fields: dict[str, Any] = {}
            for column, cell in zip(columns, cells, strict=False):
                if cell.strip():
                    _nest(fields, column, cell_value(column, cell))
            if fields:
                yield Row(where, fields)
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num} is not CSV: {error}; mend it.") from None


def _check_columns(name: str, columns: list[str]) -> None:
    twice = [
        column
        for column in columns
        if columns.count(column) > 1 or any(other.startswith(f"{column}.") for other in columns)
    ]
    if not any(columns) or twice:
        fault = f"{twice[0]!r:.60} twice" if twice else "none"
        raise InputError(
            f"{name} must name each column once in its first line, but has {fault}; mend that line."
        )


def _nest(fields: dict[str, Any], column: str, value: Any) -> None:
    outer, dot, inner = column.partition(".")
    if dot:
        fields.setdefault(outer, {})[inner] = value
    else:
        fields[column] = value


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


def _parquet(path: Path) -> Iterator[Row]:
    _check_size(path)
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path} is Parquet, which needs pyarrow: pip install 'crossattn[batch]'."
        ) from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} cannot be read as Parquet ({reason}); write it anew.") from None
    for number, fields in enumerate(table.to_pylist(), start=1):
        given: dict[str, Any] = {}
        for column, value in fields.items():
            if value is not None:
                _nest(given, column, value)
        yield Row(f"{path.name}, row {number}", given)
