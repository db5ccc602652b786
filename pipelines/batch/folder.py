"""The folder of a batch: what it holds, who may write to it, and what of it is safely there.

plan.jsonl       the expanded plan; it can be run as a plan itself
manifest.jsonl   one line for each finished picture, written after its files
pictures/        and other folders of files, one file for each picture
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from crossattn.errors import InputError
from crossattn.pipelines.batch.manifest import (
    FORMAT,
    HEADER,
    Record,
    Records,
    as_line,
    manifests,
    read_header,
    read_lines,
    read_records,
)
from crossattn.pipelines.batch.plan import Plan, recipe_fields
from crossattn.pipelines.files import write_file

LEFT_OVER = (".crossattn-*", "*/.crossattn-*", ".lock-*-of-*")


@dataclass(frozen=True)
class Shard:
    """The part of a plan that one of several runs does: `number` of `count`, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "3/16"; raises InputError for anything else."""
        number, _, count = text.partition("/")
        if (
            text.isascii()
            and number.isdecimal()
            and count.isdecimal()
            and len(text) < 12
            and 1 <= int(number) <= int(count)
        ):
            return cls(int(number), int(count))
        raise InputError(f"A shard is a number of a count, such as 3/16, but is {text!r:.40}.")


class BatchFolder:
    """A batch's folder, held open by one run for one part of the plan.

    Use it as a context manager. Entering raises InputError if the folder cannot be written to, is
    in use, holds something else, or was begun with another plan or other versions.
    """

    def __init__(
        self, path: Path, plan: Plan, made_with: Mapping[str, Any], shard: Shard | None = None
    ) -> None:
        self.path = path
        self.records = Records()
        self._plan = plan
        self._header = {HEADER: FORMAT, **made_with}
        self._shard = shard
        part = f"-{shard.number}-of-{shard.count}" if shard else ""
        self._own = path / f"manifest{part}.jsonl"
        self._locks: list[IO[bytes]] = []
        self._manifest: int | None = None

    def __enter__(self) -> Self:
        if self.path.is_file():
            raise InputError(f"{self.path} is a file; give a folder with --output.")
        try:
            with _writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock()
                if self._shard is None:
                    self._sweep_up()
            self._check_plan()
            self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._manifest is not None:
            os.close(self._manifest)
            self._manifest = None
        while self._locks:
            self._locks.pop().close()

    def add(self, record: Record, files: Mapping[str, bytes]) -> None:
        """Write a picture's files, then its line; only then does it count.

        `files` are named relative to the folder. Raises InputError if there is no room.
        """
        for name, data in files.items():
            write_file(self.path / name, data, replace=True)
        with _writing(self._own):
            if self._manifest is None:
                self._manifest = self._begin()
            line = as_line(record)
            left = memoryview(line)
            while left:
                left = left[os.write(self._manifest, left) :]
            os.fsync(self._manifest)
        self.records.add(record["id"], line, done=record["status"] == "done")

    def gather(self) -> None:
        """Write the manifest anew, in the plan's order, and take in what shards have done."""
        whole = self.path / "manifest.jsonl"
        lines = (self.records.line(item.id) for item in self._plan if item.id in self.records)
        data = as_line(self._header) + b"".join(lines)
        if not whole.is_file() or whole.read_bytes() != data:
            write_file(whole, data, replace=True)
        for path in manifests(self.path):
            if path != whole:
                path.unlink()

    def _lock(self) -> None:
        # A whole run excludes everybody; shards exclude whole runs and themselves.
        self._take(".lock", shared=self._shard is not None)
        if self._shard:
            self._take(f".lock-{self._shard.number}-of-{self._shard.count}", shared=False)

    def _take(self, name: str, *, shared: bool) -> None:
        file = (self.path / name).open("ab")
        self._locks.append(file)
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another run is writing to {self.path}; wait for it, or choose another place "
                "with --output."
            ) from None

    def _sweep_up(self) -> None:
        # What a killed run had not finished, and locks that nobody can hold now.
        for path in (path for name in LEFT_OVER for path in self.path.glob(name)):
            if path.is_file() and not path.is_symlink():
                path.unlink()

    def _check_plan(self) -> None:
        path = self.path / "plan.jsonl"
        begun = any(read_header(each) for each in manifests(self.path))
        # A run that was killed at its very beginning left a header and no plan.
        if begun and path.is_file():
            _check_same(path, self._plan)
        elif any(not each.name.startswith(".") for each in self.path.iterdir()) and not (
            begun and not read_records(self.path)
        ):
            raise InputError(
                f"{self.path} holds other files and no batch; choose an empty folder with --output."
            )
        if not begun:
            # Before the plan, so that a plan that somebody put here is known for theirs.
            write_file(self._own, as_line(self._header), replace=True)
        data = "".join(item.line() + "\n" for item in self._plan).encode()
        if not path.is_file() or path.read_bytes() != data:
            write_file(path, data, replace=True)

    def _load(self) -> None:
        for path in manifests(self.path):
            header = read_header(path)
            changed = [key for key in self._header if header.get(key) != self._header[key]]
            if changed:
                raise InputError(
                    f"{self.path} was begun with another {' and '.join(changed)}: "
                    f"{json.dumps({key: header.get(key) for key in changed})}, now "
                    f"{json.dumps({key: self._header[key] for key in changed})}; go back, or "
                    "choose another place with --output."
                )
        self.records = read_records(self.path)

    def _begin(self) -> int:
        if not self._own.is_file():
            write_file(self._own, as_line(self._header), replace=True)
        handle = os.open(self._own, os.O_RDWR | os.O_APPEND)
        # A line that a killed run left unfinished would spoil the next.
        os.ftruncate(handle, self._own.read_bytes().rfind(b"\n") + 1)
        return handle


def _check_same(path: Path, plan: Plan) -> None:
    """Refuse a plan that lacks or changes pictures of the one that was begun; more are welcome."""
    before = {row["id"]: _asked(row) for _, row in read_lines(path)}
    now = {item.id: _asked(recipe_fields(item.recipe)) for item in plan}
    lost = [name for name, fields in before.items() if now.get(name) != fields]
    if not lost:
        return
    other = [item.where for item in plan if before.get(item.id) != now[item.id]]
    named = f" (changed or new: {_some(dict.fromkeys(other))})" if other else ""
    raise InputError(
        f"The plan no longer has the pictures that {path.parent} was begun with: {_some(lost)}"
        f"{named}; put them back, or choose another place with --output."
    )


def _asked(row: Mapping[str, Any]) -> str:
    """Return what a row asks for, whatever it is called."""
    return json.dumps({key: row[key] for key in sorted(row) if key not in ("id", "axes")})


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"Cannot write {path}: {reason}; what is finished is kept, so mend that and run the "
            "same again."
        ) from error
