"""Rendering one recipe of a batch: the seam between a batch's engines and the models."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from crossattn.errors import CrossattnError
from crossattn.pipelines.batch.plan import Item, full_fields
from crossattn.pipelines.recipe import Recipe


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

    def __call__(self, recipe: Recipe) -> Rendering:
        """Make one picture; any exception counts as a failure of this recipe alone."""

    def made_with(self, recipes: Iterable[Recipe]) -> dict[str, Any]:
        """Return what besides the recipes decides the bytes, so that a change is noticed."""


@dataclass(frozen=True)
class ModelRenderer:
    """Runs recipes on their models, on one CPU thread, so that every engine gives equal bytes."""

    trace: bool = False

    def __call__(self, recipe: Recipe) -> Rendering:
        """Make the picture of a recipe, and its trace if asked for; raises CrossattnError."""
        from crossattn.pipelines.picture import to_png
        from crossattn.pipelines.run import Result, run

        with _one_thread():
            *_, result = run(recipe)
        assert isinstance(result, Result)
        files = {"picture.png": to_png(result.image, result.recipe, result.sampler)}
        if self.trace:
            files["trace.safetensors"] = result.trace.view.record.to_bytes()
        return Rendering(
            files=files,
            facts={
                "recipe": full_fields(result.recipe),
                "sampler": result.sampler,
                "seconds": round(result.seconds, 4),
                "words": [[word.text, word.occurrence, word.mass] for word in result.words],
                "warnings": list(result.warnings),
            },
        )

    def made_with(self, recipes: Iterable[Recipe]) -> dict[str, Any]:
        """Return the versions of the libraries and a digest of every model's files.

        Raises ModelLoadError if a model is not there; a hub model is fetched.
        """
        from importlib.metadata import version

        from crossattn.pipelines.run import LIBRARIES

        models = {(each.model, each.revision, each.config) for each in recipes}
        return {
            "trace": self.trace,
            "versions": {name: version(name) for name in LIBRARIES},
            "models": {
                "@".join(filter(None, model)): _digest(*model) for model in sorted(models, key=str)
            },
        }


@dataclass(frozen=True)
class Attempt:
    """One try at an item: its rendering, or the error in words."""

    id: str
    rendering: Rendering | None
    error: str = ""


def attempt(render: Renderer, item: Item) -> Attempt:
    """Render an item, and turn any failure into words."""
    try:
        return Attempt(item.id, render(item.recipe))
    except CrossattnError as error:
        return Attempt(item.id, None, str(error))
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


def _parts(folder: Path) -> list[Path]:
    kinds = (".safetensors", ".json", ".txt")
    return sorted(path for path in folder.rglob("*") if path.suffix in kinds)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    # Sums are split among threads, so their number shows in the last bits.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
