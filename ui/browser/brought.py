"""Pictures that people brought along to edit: files by their content, while an edit needs them."""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from crossattn.errors import InputError
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.drawing import bytes_of
from crossattn.ui.browser.own_picture import read_own
from crossattn.ui.browser.shelf import Shelf


class Brought:
    """Keeps such pictures beside those of a shelf, and no longer than an edit of them is there."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._lock = threading.Lock()
        self._in_use: Counter[Path] = Counter()

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.shelf.folder / "brought"

    @contextmanager
    def taken(self, asked: dict[str, Any] | None) -> Iterator[dict[str, Any] | None]:
        """A recipe's `picture` for {url: data URL, name: of its file}, {of: the id of an edit of
        it}, or nothing.

        Raises `InputError` for what is no picture, or is kept no longer.
        """
        if not asked:
            yield None
            return
        if "of" in asked:
            kept = self.shelf.get(asked["of"]).recipe.picture
            if kept is None:
                raise InputError("That picture was drawn here, not brought along.")
            path, named = Path(kept.path), kept.model_dump()
            with self._lock:
                self._in_use[path] += 1
        else:
            url = str(asked.get("url"))
            read_own(url)
            content = bytes_of(url)
            digest = hashlib.sha256(content).hexdigest()
            path = self.folder / digest / _own_name(str(asked.get("name") or ""))
            named = {"path": str(path), "sha256": digest}
            with self._lock:
                self._in_use[path] += 1
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_bytes(content)
        try:
            yield named
        finally:
            with self._lock:
                self._in_use[path] -= 1
            self.tidy()

    def found(self, recipe: Recipe) -> Recipe:
        """A recipe of a picture with where that lies here, known by its hash; others as they are.

        Raises `InputError` for one that was not brought here: no file of the server's is read
        because a recipe names it.
        """
        asked = recipe.picture
        if asked is None:
            return recipe
        name = Path(asked.path).name
        here = sorted((self.folder / (asked.sha256 or "unknown")).glob("*"))
        if not here:
            raise InputError(
                f"The picture {name:.40} that this is made of is not here; bring it along, and "
                "edit it again."
            )
        path = next((each for each in here if each.name == name), here[0])
        return recipe.replace(picture={**asked.model_dump(), "path": str(path)})

    def tidy(self) -> None:
        """Delete those that no kept picture and no run needs."""
        with self._lock:
            needed = {one.path for one in self.shelf.pictures()}
            for path in self.folder.glob("*/*"):
                if str(path) not in needed and not self._in_use[path]:
                    path.unlink(missing_ok=True)
                    with suppress(OSError):  # Another name of the same picture is still there.
                        path.parent.rmdir()


def _own_name(name: str) -> str:
    """A file's own name, as far as it is one here too."""
    plain = re.sub(r"[^\w.() -]", "_", Path(name).name)[-80:].lstrip(". ")
    return plain or "picture.png"
