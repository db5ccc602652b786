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
from crossattn.pipelines.batch.plan import Plan, recipe_fields
from crossattn.pipelines.files import write_file

Record = dict[str, Any]
"""What the manifest says of one picture: id, status, recipe, files, seconds, words, ..."""

HEADER = "crossattn batch"
FORMAT = 1
LEFT_OVER = (".crossattn-*", "*/.crossattn-*", ".lock-*")


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
        self.records: dict[str, Record] = {}
        self._plan = plan
        self._header = {HEADER: FORMAT, **made_with}
        self._shard = shard
        part = f"-{shard.number}-of-{shard.count}" if shard else ""
        self._own = path / f"manifest{part}.jsonl"
        self._locks: list[IO[bytes]] = []
        self._manifest: int | None = None

    def __enter__(self) -> Self:
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
            write_file(self.path / name, data)
        with _writing(self._own):
            if self._manifest is None:
                self._manifest = self._begin()
            line = memoryview(_line(record))
            while line:
                line = line[os.write(self._manifest, line) :]
            os.fsync(self._manifest)
        self.records[record["id"]] = record

    def gather(self) -> None:
        """Write the manifest anew, in the plan's order, and take in what shards have done."""
        lines = [self._header, *(self.records[i.id] for i in self._plan if i.id in self.records)]
        whole = self.path / "manifest.jsonl"
        data = b"".join(map(_line, lines))
        if not whole.is_file() or whole.read_bytes() != data:
            write_file(whole, data)
        for path in _manifests(self.path):
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
            path.unlink()

    def _check_plan(self) -> None:
        path = self.path / "plan.jsonl"
        if path.is_file():
            _check_same(path, self._plan)
        elif any(not each.name.startswith(".") for each in self.path.iterdir()):
            raise InputError(
                f"{self.path} holds other files and no batch; choose an empty folder with --output."
            )
        data = "".join(item.line() + "\n" for item in self._plan).encode()
        if not path.is_file() or path.read_bytes() != data:
            write_file(path, data)

    def _load(self) -> None:
        for path in _manifests(self.path):
            header = (_read(path) or [{}])[0]
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
            write_file(self._own, _line(self._header))
        handle = os.open(self._own, os.O_RDWR | os.O_APPEND)
        os.ftruncate(handle, _whole(self._own.read_bytes()))
        return handle


def read_records(folder: Path) -> dict[str, Record]:
    """Return what the manifests of a folder say of each picture; nothing if there are none.

    Raises InputError if one is damaged.
    """
    records: dict[str, Record] = {}
    for path in _manifests(folder):
        for record in _read(path)[1:]:
            # A picture that was made is not unmade by a failure noted elsewhere.
            if records.get(record["id"], {}).get("status") != "done":
                records[record["id"]] = record
    return records


def _manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob("manifest*.jsonl"))


def _check_same(path: Path, plan: Plan) -> None:
    """Refuse a plan that lacks or changes pictures of the one that was begun; more are welcome."""
    before = {row.pop("id"): row for row in _read(path)}
    for row in before.values():
        row.pop("axes", None)
    now = {item.id: recipe_fields(item.recipe) for item in plan}
    lost = [name for name, fields in before.items() if now.get(name) != fields]
    if not lost:
        return
    other = [item.where for item in plan if before.get(item.id) != now[item.id]]
    named = f" (changed or new: {_some(dict.fromkeys(other))})" if other else ""
    raise InputError(
        f"The plan no longer has the pictures that {path.parent} was begun with: {_some(lost)}"
        f"{named}; put them back, or choose another place with --output."
    )


def _some(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _read(path: Path) -> list[Record]:
    """Read the whole lines of a file of JSON lines; what a killed run left of a last is none."""
    data = path.read_bytes()
    records = []
    for number, line in enumerate(data[: _whole(data)].split(b"\n")[:-1], start=1):
        try:
            record = json.loads(line)
            if HEADER not in record and not isinstance(record["id"], str):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}, line {number} is damaged; take the line out to have its picture made "
                "again."
            ) from None
        records.append(record)
    return records


def _whole(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Half a surrogate pair (in a path, say) becomes the escape that JSON has for it.
    return text.encode(errors="backslashreplace") + b"\n"


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
