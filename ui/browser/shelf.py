"""What was made lies here: pictures and traces as files, the rest in memory."""

import secrets
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crossattn.errors import InputError
from crossattn.pipelines.edit_report import EditReport
from crossattn.pipelines.export import default_name
from crossattn.pipelines.picture import to_png
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, WordShare
from crossattn.trace import Trace

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
    def trace_file(self) -> Path:
        """Where the trace lies."""
        return self.picture.with_name("trace.safetensors")


class Shelf:
    """Finished pictures by id. An id cannot be guessed, so it is the key to its picture."""

    def __init__(self, most: int = 400) -> None:
        self.most = most
        self.folder = Path(tempfile.mkdtemp(prefix="crossattn-page-"))
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def put(
        self, result: Result, before: str | None = None, report: EditReport | None = None
    ) -> Made:
        """Keep a result; the oldest goes when there are more than `most`."""
        key = secrets.token_urlsafe(12)
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
        made.picture.write_bytes(to_png(result.image, result.recipe, result.sampler))
        result.trace.save(made.trace_file)
        with self._lock:
            self._made[key] = made
            self._keep(key, result.trace)
            oldest = list(self._made)[: -self.most]
        self.drop(oldest)
        return made

    def get(self, key: str | None) -> Made:
        """The picture of that id; raises `InputError` if it is not here any more."""
        made = self._made.get(key or "")
        if made is None:
            raise InputError("That picture is no longer kept here; generate it again.")
        return made

    def held(self, keys: Iterable[str]) -> list[Made]:
        """Those of the pictures that are still here, in the same order."""
        return [made for key in keys if (made := self._made.get(key))]

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

    def _keep(self, key: str, trace: Trace) -> None:
        self._traces[key] = trace
        self._traces.move_to_end(key)
        while len(self._traces) > OPEN:
            self._traces.popitem(last=False)
