"""Rendering one recipe of a batch: the seam between a batch's engines and the models."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from crossattn.errors import (
    ControlError,
    CrossattnError,
    PromptError,
    RecipeError,
    UnsupportedModelError,
)
from crossattn.pipelines.batch.plan import Item, fingerprint, full_fields
from crossattn.pipelines.batch.sources import SharedSources
from crossattn.pipelines.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from crossattn.pipelines.edit_report import EditReport
    from crossattn.pipelines.result import Result


AT_FAULT = (ControlError, PromptError, RecipeError, UnsupportedModelError)
"""Errors of which a recipe is the cause, and not a disk or a memory that is full for now."""

# Not taken from `run`, which loads torch: the process that only hands out work stays small.
LIBRARIES = ("crossattn", "torch", "diffusers", "transformers")


@dataclass(frozen=True)
class Rendering:
    """What was made of a recipe.

    `files` are named by what they are ("picture.png"), `facts` is JSON-like: recipe (with every
    choice filled in), sampler, seconds, words as [text, occurrence, mass], warnings.
    """

    files: dict[str, bytes]
    facts: dict[str, Any]


class Renderer(Protocol):
    """Makes pictures of recipes; it is pickled to the processes that do it."""

    def made_with(self, recipes: Iterable[Recipe]) -> dict[str, Any]:
        """Return what besides the recipes decides the bytes, so that a change is noticed."""

    def expect(self, recipes: Sequence[Recipe]) -> None:
        """Hear which recipes come next, so that what they share is made once."""

    def __call__(self, recipe: Recipe) -> Rendering:
        """Make one picture; any exception counts as a failure of this recipe alone."""


@dataclass
class ModelRenderer:
    """Runs recipes on their models, on one CPU thread if they do not say how many.

    With `trace` the record of attention is kept as well. Edits of one picture that are expected
    together share the run of their source; other pictures expected together are drawn at once,
    which is the same but for rounding.
    """

    trace: bool = False
    _sources: SharedSources = field(default_factory=SharedSources, repr=False)
    _at_once: Sequence[Recipe] = field(default=(), repr=False)
    _drawn: "dict[str, Result]" = field(default_factory=dict, repr=False)

    def expect(self, recipes: Sequence[Recipe]) -> None:
        """Hear which recipes come next; what was kept for others is forgotten."""
        from crossattn.pipelines.threads import with_threads

        recipes = [with_threads(recipe, otherwise=1) for recipe in recipes]
        self._sources = SharedSources(recipes)
        # A trace is the record of one run, so each then has its own.
        alone = self.trace or len(recipes) == 1 or any(recipe.edit for recipe in recipes)
        self._at_once = () if alone else recipes
        self._drawn = {}

    def __call__(self, recipe: Recipe) -> Rendering:
        """Make the picture of a recipe, edited if it says so; raises CrossattnError."""
        from crossattn.pipelines.picture import to_png
        from crossattn.pipelines.threads import with_threads

        result, report = self._draw(with_threads(recipe, otherwise=1))
        files = {"picture.png": to_png(result.image, result.recipe, result.sampler)}
        if self.trace:
            files["trace.safetensors"] = result.trace.view.record.to_bytes()
        facts = {
            "recipe": full_fields(result.recipe),
            "sampler": result.sampler,
            "seconds": round(result.seconds, 4),
            "words": [[word.text, word.occurrence, round(word.cover, 5)] for word in result.words],
            "warnings": list(result.warnings),
        }
        if report is not None:
            facts["edit"] = {
                name: value for name, value in asdict(report).items() if name != "mask"
            }
            if report.mask is not None:
                files["mask.png"] = _mask_png(report.mask)
        return Rendering(files, facts)

    def _draw(self, recipe: Recipe) -> "tuple[Result, EditReport | None]":
        if self._at_once:
            from crossattn.pipelines.together import run_together

            # Forgotten first: if they do not fit into memory, the others are drawn one by one.
            recipes, self._at_once = self._at_once, ()
            names = map(fingerprint, recipes)
            self._drawn = dict(zip(names, run_together(recipes), strict=True))
        result = self._drawn.pop(fingerprint(recipe), None) if self._drawn else None
        return (result, None) if result else self._sources.draw(recipe)

    def made_with(self, recipes: Iterable[Recipe]) -> dict[str, Any]:
        """Return the versions of the libraries and a digest of every model's files and LoRA.

        Raises ModelLoadError if a model is not there; a hub model is fetched.
        """
        from importlib.metadata import version

        from crossattn.pipelines.adapter_files import adapter_files

        recipes = tuple(recipes)
        models = {(each.model, each.revision, each.config) for each in recipes}
        files = {str(file): file.digest for each in recipes for file in adapter_files(each)}
        return {
            **({"files": dict(sorted(files.items()))} if files else {}),
            "trace": self.trace,
            "versions": {name: version(name) for name in LIBRARIES},
            "models": {
                "@".join(filter(None, model)): _digest(*model) for model in sorted(models, key=str)
            },
        }


@dataclass(frozen=True)
class Attempt:
    """One try at an item: its rendering, or the error in words.

    `final` says that the recipe itself is at fault, so that another try would end the same.
    """

    id: str
    rendering: Rendering | None
    error: str = ""
    final: bool = False


def attempts(render: Renderer, items: Sequence[Item]) -> Iterator[Attempt]:
    """Render items that come together, one after the other."""
    render.expect([item.recipe for item in items])
    for item in items:
        yield _attempt(render, item, alone=len(items) == 1)


def _attempt(render: Renderer, item: Item, *, alone: bool) -> Attempt:
    try:
        return Attempt(item.id, render(item.recipe))
    except CrossattnError as error:
        # In company the fault may be another's.
        return Attempt(item.id, None, str(error), final=alone and isinstance(error, AT_FAULT))
    except Exception as error:
        return Attempt(item.id, None, f"{type(error).__name__}: {error}"[:1000])


def _digest(model: str, revision: str | None, config: str | None) -> str:
    from crossattn.pipelines.load import find_model

    source = find_model(model, revision, config)
    if source.revision:
        return source.revision
    digest = hashlib.sha256()
    for path in [source.file] if source.file else _parts(source.folder):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _mask_png(mask: "Tensor") -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(mask.numpy()).save(file, "PNG")
    return file.getvalue()


def _parts(folder: Path) -> list[Path]:
    kinds = (".safetensors", ".json", ".txt")
    return sorted(path for path in folder.rglob("*") if path.suffix in kinds)
