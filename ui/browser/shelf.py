"""What was made lies here: pictures and traces as files, the rest in memory."""

import fcntl
import json
import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crossattn.errors import InputError
from crossattn.pipelines.edit_report import EditReport
from crossattn.pipelines.export import default_name
from crossattn.pipelines.picture import to_png
from crossattn.pipelines.picture_recipe import PictureRecipe
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result, WordShare
from crossattn.trace import Trace
from crossattn.ui.browser.fields import without_weights

PREFIX = "crossattn-page-"
"""How the folders of shelves begin, among the system's temporary ones."""

OPEN = 3
"""Traces kept in memory; the others are read again when somebody looks into them."""


@dataclass(frozen=True)
class Made:
    """A finished picture.

    `picture` is the PNG with its recipe, bit for bit what a person downloads; `before` is the id
    of the picture that it is compared with, `report` what an edit did.
    """

    id: str
    recipe: Recipe
    sampler: str
    seconds: float
    words: tuple[WordShare, ...]
    notes: tuple[str, ...]
    picture: Path
    before: str | None
    report: EditReport | None

    @property
    def told(self) -> Recipe:
        """Its recipe as people are given it, which names a picture of theirs as they do."""
        own = self.recipe.picture
        if own is None:
            return self.recipe
        return self.recipe.replace(picture={**own.model_dump(), "path": Path(own.path).name})

    @property
    def trace_file(self) -> Path:
        """Where the trace lies."""
        return self.picture.with_name("trace.safetensors")

    @property
    def sketches_file(self) -> Path:
        """Where the sketches of its calls lie, a JSON list of data URLs."""
        return self.picture.with_name("sketches.json")

    @property
    def sketches(self) -> list[str]:
        """What it looked like after each call of the model; none where that was not kept."""
        return list(json.loads(self.sketches_file.read_text(encoding="utf-8")))


class Shelf:
    """Finished pictures by id. An id cannot be guessed, so it is the key to its picture."""

    def __init__(self, most: int = 400) -> None:
        self.most = most
        _sweep_up()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Held as long as this process lives, so that others know whether somebody is here.
        self._held = _lock(self.folder).open("wb")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def put(
        self,
        result: Result,
        before: str | None = None,
        report: EditReport | None = None,
        sketches: Sequence[str] = (),
    ) -> Made:
        """Keep a result; the oldest goes when there are more than `most`.

        `sketches` are what it looked like after each call of the model, as data URLs.
        """
        key = secrets.token_urlsafe(12)
        if not self.folder.is_dir():
            # Somebody cleans temporary folders up; nobody else may look into this one either.
            self.folder.mkdir(mode=0o700, parents=True)
        folder = self.folder / key
        folder.mkdir()
        made = Made(
            key,
            result.recipe,
            result.sampler,
            result.seconds,
            result.words,
            result.warnings,
            folder / f"{default_name(result.recipe)}.png",
            before,
            report,
        )
        made.picture.write_bytes(to_png(result.image, made.told, result.sampler))
        result.trace.save(made.trace_file)
        made.sketches_file.write_text(json.dumps(sketches), encoding="utf-8")
        with self._lock:
            self._made[key] = made
            self._keep(key, result.trace)
            oldest = list(self._made)[: -self.most]
        self.drop(oldest)
        return made

    def find(self, key: str | None) -> Made | None:
        """The picture of that id, if it is still here and nobody took its files away."""
        made = self._made.get(key or "")
        if made is not None and not (made.picture.is_file() and made.trace_file.is_file()):
            self.drop([made.id])
            return None
        return made

    def get(self, key: str | None) -> Made:
        """The picture of that id; raises `InputError` if it is not here any more."""
        made = self.find(key)
        if made is None:
            raise InputError("That picture is no longer kept here; generate it again.")
        return made

    def kept(self, keys: Iterable[str]) -> list[Made]:
        """Those pictures of some ids that are still here: others may have pushed theirs out."""
        return [made for made in map(self.find, keys) if made is not None]

    def of(self, result: Result, keys: Iterable[str]) -> Made:
        """The picture of a result among those of some ids, or newly put here."""
        alike = (one for one in self.kept(keys) if one.recipe == result.recipe)
        return next(alike, None) or self.put(result)

    def pictures(self) -> list[PictureRecipe]:
        """The pictures that exist which those that are kept were made of."""
        with self._lock:
            return [one.recipe.picture for one in self._made.values() if one.recipe.picture]

    def trace(self, made: Made) -> Trace:
        """The trace of a picture."""
        with self._lock:
            trace = self._traces.get(made.id)
            if trace is None:
                trace = Trace.load(made.trace_file)
            self._keep(made.id, trace)
        return trace

    def drop(self, keys: Iterable[str]) -> None:
        """Forget pictures, and delete their files."""
        for key in keys:
            with self._lock:
                made = self._made.pop(key, None)
                self._traces.pop(key, None)
            if made is not None:
                shutil.rmtree(made.picture.parent, ignore_errors=True)

    def close(self) -> None:
        """Delete everything."""
        self.drop(list(self._made))
        shutil.rmtree(self.folder, ignore_errors=True)
        _lock(self.folder).unlink(missing_ok=True)
        self._held.close()

    def _keep(self, key: str, trace: Trace) -> None:
        self._traces[key] = trace
        self._traces.move_to_end(key)
        while len(self._traces) > OPEN:
            self._traces.popitem(last=False)


def _lock(folder: Path) -> Path:
    # Beside the folder and not in it, so that it survives whoever cleans up in there.
    return folder.with_name(f"{folder.name}.lock")


def _sweep_up() -> None:
    """Delete what shelves left whose process was killed, and nothing of one that still lives."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*.lock"):
        with suppress(OSError), lock.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink()


def compared_with(recipe: Recipe, earlier: Sequence[Made]) -> Made | None:
    """The picture to compare a new one with: the same without what is asked of words, or the last.

    `earlier` begins with the last; that one will do if it is as large.
    """
    plain = recipe.replace(prompt=without_weights(recipe.prompt, recipe.notation), regions=())
    for likely in (plain, plain.replace(excite=None)):
        for one in earlier:
            if one.recipe == likely != recipe:
                return one
    size = recipe.width, recipe.height
    return next((one for one in earlier[:1] if (one.recipe.width, one.recipe.height) == size), None)
