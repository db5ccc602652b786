"""Writing files: never half-written, never over another, named so that a person knows them."""

import errno
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from crossattn.errors import InputError

TEMPORARY = ".crossattn-"
"""How the names of files and folders begin that are being written."""


def slug(text: str, *, words: int = 8) -> str:
    """Return a short file name made of the first words of a text, safe on every system."""
    plain = unicodedata.normalize("NFKD", text.lower())
    found = re.findall(r"[a-z0-9]+", re.sub(r"[\u0300-\u036f]", "", plain))
    return "-".join(found[:words])[:60] or "picture"


def has_name(path: Path) -> bool:
    """Whether the last part of a path is a name, which `.`, `..` and the root have not."""
    return path.name not in ("", "..")


def check_place(path: Path, *, folder: bool = False) -> None:
    """Raise InputError if no file (or `folder`) can be written: to know before the work, not after.

    It is tried where the writing will be: in the folder itself if it is there and empty.
    """
    place = (fresh_folder if folder else fresh_path)(path).absolute()
    with _told(path):
        nearest = next(one for one in (place, *place.parents) if os.path.lexists(one))
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY, dir=nearest):
            longest = os.pathconf(nearest, "PC_NAME_MAX")
        if any(len(os.fsencode(part)) > longest for part in place.parts):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def fresh_path(path: Path) -> Path:
    """Return the path itself if nothing is there, else the first free `name-2`, `name-3`, ...

    Raises InputError if it can be no path.
    """
    with _told(path):
        return next(one for one in _numbered(path, path.stem, path.suffix) if not _taken(one))


def fresh_folder(path: Path) -> Path:
    """Return the path itself if nothing or an empty folder is there, else a free `name-2`, ..."""
    with _told(path):
        return next(one for one in _numbered(path, path.name) if _is_empty(one) or not _taken(one))


def write_file(path: Path, data: bytes, *, replace: bool = False) -> Path:
    """Write a whole file or none, beside what is there (`name-2`), and return the path it got.

    With `replace` it takes the place of a file that is there, which stays if that fails. Raises
    InputError if the place cannot be written to.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            placed = temporary.replace(path) if replace else _placed(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    return placed


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on leaving, its files move up into its parent, all or none.

    That parent is `path` if nothing or an empty folder is there, which keeps its owner and rights,
    else a free `name-2`. Raises InputError if it cannot be written to.
    """
    with _told(path):
        temporary, made = _claimed(path)
    moved: list[Path] = []
    try:
        yield temporary
        with _told(path):
            for file in temporary.rglob("*"):
                if file.is_file():
                    # Whoever wrote through a temporary file of their own made it private.
                    file.chmod(0o666 & ~_umask())
                _sync(file)
            for file in sorted(temporary.iterdir()):
                target = temporary.parent / file.name
                if _taken(target):
                    raise FileExistsError(errno.EEXIST, f"{file.name} has come there meanwhile")
                moved.append(file.rename(target))
            temporary.rmdir()
            _sync(temporary.parent)
            _sync(temporary.parent.parent)
    except BaseException:
        for file in (*moved, temporary):
            _remove(file)
        if made:
            with suppress(OSError):
                temporary.parent.rmdir()
        raise


def _numbered(path: Path, stem: str, suffix: str = "") -> Iterator[Path]:
    """Give a path, then those with a number that are to be had in its stead, without end."""
    yield path
    if not has_name(path):
        path = path.resolve()
        stem, suffix = path.name, ""
        if not stem:
            raise OSError(errno.EISDIR, "it is the root of all folders and not empty")
    yield from (path.with_name(f"{stem}-{number}{suffix}") for number in count(2))


def _taken(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _placed(temporary: Path, path: Path) -> Path:
    """Give a written file its name, or the next that nobody has, even if others do the same."""
    for candidate in _numbered(path, path.stem, path.suffix):
        with suppress(FileExistsError):
            try:
                candidate.hardlink_to(temporary)
            except FileExistsError:
                raise
            except OSError:
                # Not every file system has links: there the name is taken first.
                candidate.touch(exist_ok=False)
                temporary.replace(candidate)
            return candidate
    raise AssertionError("there is no last number")


def _claimed(path: Path) -> tuple[Path, bool]:
    """Make a temporary folder that is all there is in its parent; say if that was made as well."""
    for candidate in _numbered(path, path.name):
        made = False
        try:
            candidate.mkdir(parents=True)
            made = True
        except FileExistsError:
            if not _is_empty(candidate):
                continue
        temporary = candidate / Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=candidate)).name
        if [one.name for one in candidate.iterdir()] == [temporary.name]:
            return temporary, made
        # Another has come in the same moment; whoever sees that leaves.
        temporary.rmdir()
        if made:
            with suppress(OSError):
                candidate.rmdir()
    raise AssertionError("there is no last number")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


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
