"""From the page's fields to a picture: recipes are built here, run, and told of as they go."""

import base64
import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from PIL import Image

from crossattn.controls import SourceRecorder, Window
from crossattn.errors import RecipeError
from crossattn.pipelines.denoise import Progress, decode
from crossattn.pipelines.edit import Edited, Source, edit, keep_source
from crossattn.pipelines.load import load
from crossattn.pipelines.preview import Preview
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.pipelines.tokenizers import load_tokenizers
from crossattn.prompt_schedule import is_several
from crossattn.recorder import Recorder

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


LARGEST_TRACE = 64 * 2**20
"""Bytes of a picture's trace beyond which it is recorded less finely."""
LARGEST_SOURCE = 128 * 2**20
"""Bytes of a run beyond which it is not kept while nobody has asked for an edit of it."""
TOLD = 0.2
"""Seconds, at least, from one thing that a page is told of a run to the next: each takes time."""

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h

Busy = dict[str, Any]
"""How far a run is: {step, total, seconds, preview}."""


@dataclass(frozen=True)
class Drawn:
    """What came of a run: its result, the edit if it was one, a sketch (data URL) of each call."""

    result: Result
    edited: Edited | None
    sketches: tuple[str, ...]


def whole_number(text: str, name: str) -> int:
    """Read a whole number that a person typed; raises `RecipeError` if it is none."""
    try:
        return int(text.strip())
    except ValueError:
        raise RecipeError(f"The {name} must be a whole number, but is {text[:40]!r}.") from None


def size_of(text: str) -> tuple[int, int]:
    """Read "128 × 96" as (width, height) in pixels; raises `RecipeError` if it is not a size."""
    width, _, height = text.replace("x", "×").partition("×")
    return whole_number(width, "width"), whole_number(height, "height")


def size_text(width: int | None, height: int | None) -> str:
    """Write a size in pixels as `size_of` reads it."""
    return f"{width} × {height}"


class Sources:
    """The last source that was edited, so that the next edit of it costs one run and not two."""

    def __init__(self) -> None:
        self._source: Source | None = None

    def of(self, recipe: Recipe) -> Source | None:
        """The kept source of a recipe that edits, if it is that one."""
        kept = self._source
        if kept is None:
            return None
        settled, asked = kept.result.recipe, recipe.source
        same = all(
            getattr(asked, name) in (None, getattr(settled, name))
            for name in Recipe.model_fields.keys() - {"versions", "digests", "revision", "device"}
        )
        return kept if same and asked.excite == settled.excite else None

    def keep(self, source: Source) -> None:
        """Keep a source, and let the one before go."""
        self._source = source


class Models:
    """The models in use, loaded one at a time, and what their latents look like on the way."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._reading = threading.Lock()
        self._previews: WeakKeyDictionary[Pipeline, Preview] = WeakKeyDictionary()
        self._tokenizers: dict[str, dict[str, Any]] = {}

    def tokenizers(self, model: str) -> dict[str, Any]:
        """A model's tokenizers, by the names that people see; raises `ModelLoadError`."""
        # A lock of its own: words are read while the model is still loaded.
        with self._reading:
            if model not in self._tokenizers:
                self._tokenizers[model] = load_tokenizers(model)
            return self._tokenizers[model]

    def load(self, recipe: Recipe) -> "Pipeline":
        """The model of a recipe; raises `ModelLoadError`."""
        with self._loading:
            return load(
                recipe.model,
                revision=recipe.revision,
                config=recipe.config,
                dtype=recipe.dtype,
                device=recipe.device,
            )

    def preview(self, pipe: "Pipeline", latents: torch.Tensor) -> str:
        """A small picture of latents (1, channels, height, width), as a data URL."""
        if pipe not in self._previews:
            self._previews[pipe] = self._fitted(pipe, latents)
        return data_url(self._previews[pipe].of(latents))

    @staticmethod
    @torch.no_grad()
    def _fitted(pipe: "Pipeline", latents: torch.Tensor) -> Preview:
        # Noise has every colour, so one decoding of it tells which latent stands for which.
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).to(latents)
        image, _ = decode(pipe, noise, latents.dtype, torch.Generator())
        return Preview(noise, image)


def data_url(image: Image.Image) -> str:
    """A small picture as text that a page can show."""
    file = BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def from_data_url(url: str) -> Image.Image:
    """The picture that `data_url` wrote."""
    return Image.open(BytesIO(bytes_of(url))).convert("RGB")


def bytes_of(url: str) -> bytes:
    """The content of a data URL."""
    return base64.b64decode(url.partition(",")[2])


def detail(recipe: Recipe, pipe: "Pipeline") -> dict[str, Any]:
    """How finely to record: each step and head, or less where that would take too much memory."""
    steps, height, width = recipe.steps or 1, recipe.height or 64, recipe.width or 64
    for bins, heads in ((steps, True), (steps, False), (min(8, steps), False)):
        size = Recorder(bins=bins, heads=heads).nbytes(
            pipe, recipe.prompt, steps=steps, height=height, width=width
        )
        if size <= LARGEST_TRACE:
            return {"bins": bins, "heads": heads}
    return {"bins": 1, "heads": False}


def _worth_keeping(recipe: Recipe, pipe: "Pipeline") -> bool:
    """Whether a run can be edited, and is small enough to be kept in case it is asked for."""
    if any(map(is_several, (recipe.prompt, recipe.negative_prompt))):
        return False
    whole = Window(0.0, 1.0)
    size = SourceRecorder(cross=whole, self_attention=whole).nbytes(
        pipe,
        recipe.prompt,
        steps=recipe.steps or 1,
        height=recipe.height or 64,
        width=recipe.width or 64,
    )
    return size <= LARGEST_SOURCE


def share_memory() -> None:
    """Have all threads take their memory from two places, where the C library can.

    Else each of the server's threads keeps what the largest picture that it drew took.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)


def give_back() -> None:
    """Return memory that is free to the system, where the C library can."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def draw(recipe: Recipe, models: Models, sources: Sources) -> Iterator[Busy | Drawn]:
    """Draw a recipe: {step, total, seconds, preview} as the calls go on, then what came of it.

    Closing the iterator stops the run.
    """
    yield {"step": 0, "total": 0, "seconds": 0.0}
    pipe = models.load(recipe)
    started = time.perf_counter()
    source_first = recipe.edit is not None and sources.of(recipe) is None
    sketches = []
    last = -TOLD
    for event in _events(recipe, pipe, sources):
        if isinstance(event, Progress):
            sketches.append(models.preview(pipe, event.latents))
            seconds = time.perf_counter() - started
            if seconds - last >= TOLD:
                last = seconds
                yield {
                    "step": event.index + 1,
                    "total": event.total,
                    "seconds": seconds,
                    "preview": sketches[-1],
                }
            continue
        # The source of an edit is as many calls, before those of the edit.
        own = tuple(sketches[len(sketches) // 2 if source_first else 0 :])
        if isinstance(event, Result):
            yield Drawn(event, None, own)
        else:
            yield Drawn(event.result, event, own)


def _events(
    recipe: Recipe, pipe: "Pipeline", sources: Sources
) -> Iterator[Progress | Result | Edited]:
    kept = detail(recipe, pipe)
    if recipe.edit is None:
        if not _worth_keeping(recipe, pipe):
            yield from run(recipe, pipe=pipe, **kept)
            return
        # So that the first edit of this picture does not have to draw it again.
        for event in keep_source(recipe, pipe=pipe, **kept):
            if isinstance(event, Source):
                sources.keep(event)
                yield event.result
            else:
                yield event
        return
    source = sources.of(recipe)
    before = 0
    if source is None:
        # With its whole run kept, later edits may have any windows.
        for event in keep_source(recipe, pipe=pipe, **kept):
            if isinstance(event, Source):
                source = event
                sources.keep(event)
            else:
                before = event.total
                yield replace(event, total=2 * event.total)
    for done in edit(recipe, pipe=pipe, source=source, **kept):
        if isinstance(done, Progress):
            yield replace(done, index=done.index + before, total=done.total + before)
        else:
            yield done
