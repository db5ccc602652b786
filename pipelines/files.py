"""Writing files: never half-written, never over another, named so that a person knows them."""

import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crossattn.errors import InputError


def slug(text: str, *, words: int = 8) -> str:
    """Return a short file name made of the first words of a text, safe on every system."""
    plain = unicodedata.normalize("NFKD", text.lower())
    found = re.findall(r"[a-z0-9]+", re.sub(r"[\u0300-\u036f]", "", plain))
    return "-".join(found[:words])[:60] or "picture"


def check_place(path: Path) -> None:
    """Raise InputError if nothing can be written at a path: to know before the work, not after."""
    place = fresh_path(path)
    with _told(path):
        folder = next(parent for parent in place.absolute().parents if parent.exists())
        with tempfile.TemporaryFile(dir=folder):
            return


def fresh_path(path: Path) -> Path:
    """Return the path itself if nothing is there, else the first free `name-2`, `name-3`, ...

    Raises InputError if it can be no path.
    """
    number, candidate = 1, path
    with _told(path):
        while candidate.exists() or candidate.is_symlink():
            number += 1
            candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def fresh_folder(path: Path) -> Path:
    """Return the path itself if nothing or an empty folder is there, else a `fresh_path`."""
    with _told(path):
        empty = path.is_dir() and not any(path.iterdir())
    return path if empty else fresh_path(path)


def write_file(path: Path, data: bytes) -> Path:
    """Write a whole file, or leave what was there as it was: temporary file, fsync, rename.

    Raises InputError if the place cannot be written to.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".crossattn-", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(path.parent)
    return path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on leaving it is renamed to `path`, all files or none.

    `path` may be absent or an empty folder. Raises InputError if it cannot be written to.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".crossattn-", dir=path.parent))
    try:
        yield temporary
        with _told(path):
            for file in (temporary, *temporary.rglob("*")):
                # Whoever wrote through a temporary file of their own made it private.
                file.chmod((0o777 if file.is_dir() else 0o666) & ~_umask())
                _sync(file)
            if path.is_dir():
                path.rmdir()
            temporary.rename(path)
            _sync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"Cannot write {path}: {reason}; choose another place with --output."
        ) from error


def _sync(path: Path) -> None:
    # Some systems cannot open or fsync a folder; the rename itself is still atomic there.
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    # Only setting the mask tells it; temporary files ignore it and would stay private otherwise.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
