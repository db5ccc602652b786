"""Which model draws: those that are offered, and those that a person brings along."""

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from pathlib import Path
from threading import Lock, Thread
from typing import Any, TypeVar

import gradio as gr

from crossattn.errors import RecipeError
from crossattn.pipelines.hub import cached_bytes
from crossattn.pipelines.load import find_model
from crossattn.pipelines.model_files import read_index
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Busy, Models
from crossattn.ui.browser.header_panel import status
from crossattn.ui.browser.model_queue import Queue
from crossattn.ui.browser.model_settings import settings_of
from crossattn.ui.browser.told import told

LOOK = 0.5
"""Seconds after which a person who waits is told how far it is."""

Found = TypeVar("Found")
Updates = tuple[Any, ...]


class ModelChoice:
    """The models of the page, which are more where people may bring their own."""

    def __init__(self, bounds: Bounds, models: Models, queue: Queue) -> None:
        self.bounds = bounds
        self.models = models
        self.queue = queue
        self._first = frozenset(bounds.offered)
        self._bringing = Lock()

    def rest(self, model: str) -> dict[str, Any]:
        """What the header shows when nothing runs."""
        return self._header(model)

    def _header(self, model: str, busy: Busy | None = None) -> dict[str, Any]:
        return status((self.bounds.shown(model), model), busy)

    def suit(self, model: str) -> tuple[Any, ...]:
        """Size, steps and guidance of a model that a person has chosen."""
        usual = settings_of(model)
        sizes = gr.Dropdown(choices=usual.sizes, value=usual.sizes[0])
        return sizes, usual.steps, usual.guidance

    def listed(self, **more: Any) -> gr.Dropdown:
        """The list of models as it is by now."""
        return gr.Dropdown(choices=self.bounds.choices, **more)

    def chosen(self, model: str) -> str | gr.Dropdown:
        """A value for the list of models; with the list where that has grown."""
        return model if model in self._first else self.listed(value=model)

    def admit(self, model: str) -> None:
        """Offer the model of a recipe, if its files are on this machine and it may be brought.

        Nothing is fetched for a recipe that came along with a picture. Raises as `_found` does.
        """
        if model not in self.bounds.offered and self.bounds.own and Path(model).exists():
            self.bounds.offer(self._found(model))

    def bring(self, asked: dict[str, Any], chosen: str) -> Iterator[Updates]:
        """Load a model of one's own, and choose it: {model: folder, .safetensors file or hub id}.

        `chosen` is the model that stays chosen if that one cannot be loaded. Yields the header, the
        list of models, size, steps and guidance, and {model, done}.
        """
        with told():
            name = Recipe(prompt="a car", model=str(asked["model"]).strip()).model
            if not self._bringing.acquire(blocking=False):
                raise RecipeError("Another model is being loaded; try again when it is there.")
            stay = (gr.skip(),) * 5
            try:
                name = yield from _shown(
                    self._loaded(name), lambda busy: (self._header(chosen, busy), *stay)
                )
            finally:
                self._bringing.release()
            self.bounds.offer(name)
            done = {"model": name, "done": True}
            yield self.rest(name), self.listed(value=name), *self.suit(name), done

    def _loaded(self, name: str) -> Generator[Busy, None, str]:
        """Find a model and load it; returns its name in recipes."""
        found = yield from _meanwhile(
            lambda: self._found(name), f"Looking for {name}", lambda: cached_bytes(name)
        )
        recipe = Recipe(prompt="a car", model=found)
        with self.queue.place() as place:
            while ahead := place.wait(LOOK):
                yield {"step": 0, "total": 0, "seconds": 0.0, "ahead": ahead}
            yield from _meanwhile(lambda: self.models.load(recipe), f"Loading {Path(name).name}")
        self.models.tokenizers(found)
        return found

    def _found(self, model: str) -> str:
        """The name in recipes of a model whose files are there, fetched if the hub has it.

        Raises `RecipeError` where models of one's own are switched off, `ModelLoadError` or
        `UnsupportedModelError` for what is none that draws here.
        """
        if not self.bounds.own:
            self.bounds.check_model(model)
        source = find_model(model)
        read_index(source.folder)
        path = Path(model).expanduser()
        offered = model in self.bounds.offered
        return str(path.resolve()) if not offered and path.exists() else model


def _shown(
    events: Generator[Busy, None, Found], show: Callable[[Busy], Updates]
) -> Generator[Updates, None, Found]:
    """Events as they are shown; returns what came of them."""
    with closing(events):
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                found: Found = end.value
                return found
            yield show(event)


def _meanwhile(
    work: Callable[[], Found], says: str, come: Callable[[], int] = lambda: 0
) -> Generator[Busy, None, Found]:
    """Do what takes long in a thread, and tell how far it is; `come` is how many bytes have come.

    Returns what came of it. Whoever stops listening does not stop the work.
    """
    done: Future[Found] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    started = time.perf_counter()
    Thread(target=do, daemon=True).start()
    while not wait([done], LOOK).done:
        seconds = time.perf_counter() - started
        size = f", {come() / 1e6:,.0f} MB so far" if come() else ""
        yield {"step": 0, "total": 0, "seconds": seconds, "says": f"{says}{size}, {seconds:.0f} s"}
    return done.result()
