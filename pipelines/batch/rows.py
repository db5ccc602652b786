"""Reading the rows of a plan: JSONL, JSON, YAML, CSV and Parquet, each mistake named by its place.

A row is a set of recipe fields. An object with the one key `defaults` is for all rows behind it,
and a JSON or YAML file may be `{defaults: {...}, rows: [...]}`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossattn.errors import InputError
from crossattn.pipelines.batch.json_values import load_json
from crossattn.pipelines.batch.pie_bench import is_pie_bench, read_pairs
from crossattn.pipelines.batch.tables import read_csv, read_parquet, row_fields
from crossattn.pipelines.batch.yaml_rows import load_yaml

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
        raise InputError(f"{path} is not a plan: expected a file ending in {', '.join(SUFFIXES)}.")
    _check_size(path)
    # Not every file's name is text, and messages and tables are.
    name = os.fsencode(path.name).decode(errors="replace")
    if suffix == ".parquet":
        table = read_parquet(path)
    elif suffix in (".csv", ".tsv"):
        table = read_csv(_text(path), name)
    elif suffix in (".jsonl", ".ndjson"):
        return list(_json_lines(name, _text(path)))
    else:
        text = _text(path)
        data = load_json(text, name) if suffix == ".json" else load_yaml(text, name)
        if is_pie_bench(data):
            pairs = read_pairs(data, path.parent)
            return [Row(f"{name}, entry {pair.id!r:.60}", pair.row()) for pair in pairs]
        return list(_listed(name, data))
    return [Row(f"{name}, {where}", fields) for where, fields in row_fields(table, name)]


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text; save it again as UTF-8.") from None


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"There is no plan {path}; give a file that is there.")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path} has over {LARGEST_FILE // 1_000_000} MB; split it.")


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
