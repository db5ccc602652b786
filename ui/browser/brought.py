"""Pictures that people brought along to edit: files by their content, while an edit needs them."""

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from crossattn.errors import InputError
from crossattn.pipelines.recipe import Recipe
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
        """A recipe's `picture` for {url: data URL}, or {of: the id of an edit of it}, or nothing.

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
            file = BytesIO()
            read_own(str(asked.get("url"))).save(file, "PNG")
            digest = hashlib.sha256(file.getvalue()).hexdigest()
            path = self.folder / f"{digest}.png"
            named = {"path": str(path), "sha256": digest}
            with self._lock:
                self._in_use[path] += 1
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_bytes(file.getvalue())
        try:
            yield named
        finally:
            with self._lock:
                self._in_use[path] -= 1
            self.tidy()

    def check(self, recipe: Recipe) -> None:
        """Raise `InputError` for a recipe of a picture that was not brought here: no file of the
        server's is read because a recipe names it."""
        if recipe.picture is None:
            return
        path = Path(recipe.picture.path)
        if path.parent != self.folder or not path.is_file():
            raise InputError(
                f"The picture {path.name:.40} that this is made of is not here; bring it along, "
                "and edit it again."
            )

    def tidy(self) -> None:
        """Delete those that no kept picture and no run needs."""
        with self._lock:
            needed = {one.path for one in self.shelf.pictures()}
            for path in self.folder.glob("*.png"):
                if str(path) not in needed and not self._in_use[path]:
                    path.unlink(missing_ok=True)
