"""The manifest of a batch: one line of JSON for each picture, the truth about what is done."""

import json
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from crossattn.errors import InputError

Record = dict[str, Any]
"""What the manifest says of one picture: id, status (done or failed), files, recipe, words, ..."""

HEADER = "crossattn batch"
"""The key by which the first line is known; its value is the version of this format."""

FORMAT = 1

# Copies that people and programs make have other names, and are theirs.
_NAME = re.compile(r"manifest(-\d+-of-\d+)?\.jsonl", re.ASCII)


class Records(Mapping[str, Record]):
    """Records by the id of their picture; kept as lines, which are a tenth of the size."""

    def __init__(self) -> None:
        self._lines: dict[str, bytes] = {}
        self._done: set[str] = set()

    def __getitem__(self, name: str) -> Record:
        record: Record = json.loads(self._lines[name])
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def done(self) -> Set[str]:
        """The ids of the pictures that are made."""
        return self._done

    def line(self, name: str) -> bytes:
        """Return a record as it is written."""
        return self._lines[name]

    def add(self, name: str, line: bytes, *, done: bool) -> None:
        """Take in a record; a picture that was made is not unmade by a failure noted elsewhere."""
        if name in self._done:
            return
        self._lines[name] = line
        if done:
            self._done.add(name)


def read_records(folder: Path) -> Records:
    """Return what the manifests of a folder say of each picture; nothing if there are none.

    A picture whose files somebody took away, emptied or cut is not there, whatever the manifest
    says. Raises InputError if a manifest is damaged.
    """
    records = Records()
    for path in manifests(folder):
        for line, record in read_lines(path):
            if HEADER not in record and _has_files(folder, record):
                records.add(record["id"], line, done=record.get("status") == "done")
    return records


def _has_files(folder: Path, record: Record) -> bool:
    sizes = record.get("sizes", {})
    for kind, name in record.get("files", {}).items():
        try:
            size = (folder / name).stat().st_size
        except OSError:
            return False
        if size != sizes.get(kind, size or None):
            return False
    return True


def read_header(path: Path) -> Record:
    """Return the first line of a manifest, which tells what the batch was begun with.

    Nothing if that is no such line: then the file is no manifest of a batch.
    """
    with path.open("rb") as file:
        try:
            header = json.loads(file.readline())
        except ValueError:
            return {}
    return header if isinstance(header, dict) and HEADER in header else {}


def manifests(folder: Path) -> list[Path]:
    """Return the manifests of a folder: of a whole run, of shards, or of both."""
    return sorted(path for path in folder.glob("manifest*.jsonl") if _NAME.fullmatch(path.name))


def read_lines(path: Path) -> Iterator[tuple[bytes, Record]]:
    """Give the whole lines of a file of JSON objects; what a killed run left of a last is none.

    Raises InputError if a line is damaged.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
                if HEADER not in record and not isinstance(record["id"], str):
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                raise InputError(
                    f"{path}, line {number} is damaged; take the line out to have its picture "
                    "made again."
                ) from None
            yield line, record


def as_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as the line that it is written as."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Half a surrogate pair (in a path, say) becomes the escape that JSON has for it.
    return text.encode(errors="backslashreplace") + b"\n"
