"""How much a plan asks for, before it runs: workers, time, space."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from crossattn.pipelines.batch.manifest import Records
from crossattn.pipelines.batch.plan import Item, Plan
from crossattn.pipelines.batch.render import ModelRenderer
from crossattn.pipelines.load import ModelSource, find_model, likely_device, load
from crossattn.pipelines.recipe import Recipe

_WORKER_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Estimate:
    """What pictures not made yet will take: seconds of one worker, bytes on the disk."""

    pictures: int
    seconds: float
    bytes: int


def default_workers(plan: Plan) -> int:
    """Return how many workers suit this machine: one for a GPU, else one for each core.

    Their models may take half the memory. Raises ModelLoadError if a model is not there.
    """
    recipes = [item.recipe for item in plan]
    if any((recipe.device or likely_device()) != "cpu" for recipe in recipes):
        return 1
    models = {(recipe.model, recipe.revision, recipe.config) for recipe in recipes}
    # Stored at half precision they are twice as large at work, and so is what they compute.
    largest = 4 * max(_model_bytes(find_model(*model)) for model in models)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, int(memory / (_WORKER_BYTES + largest)), len(recipes)))


def estimate(items: Sequence[Item], records: Records, folder: Path, *, trace: bool) -> Estimate:
    """Tell what these pictures will take: as those that are there did, else after a short trial.

    The trial draws the first picture with few steps and keeps nothing; it raises CrossattnError
    if that cannot be drawn.
    """
    done = [records[name] for name in records.done]
    if done:
        seconds = fmean(record["seconds"] for record in done) * len(items)
        sizes = (
            sum((folder / name).stat().st_size for name in record["files"].values())
            for record in done
        )
        return Estimate(len(items), seconds, round(fmean(sizes) * len(items)))
    if not items:
        return Estimate(0, 0.0, 0)
    render = ModelRenderer(trace=trace)
    first = _settled(items[0].recipe)
    # The first run of a model warms it up; the others tell a step's time from the rest.
    _, once, thrice = (render(first.replace(steps=steps)) for steps in (1, 1, 3))
    step = max(0.0, thrice.facts["seconds"] - once.facts["seconds"]) / 2
    rest = max(0.0, once.facts["seconds"] - step)
    work, pixels = zip(
        *(_shares(_filled(item.recipe, first), first) for item in items), strict=True
    )
    assert first.steps is not None
    return Estimate(
        len(items),
        sum(work) * step * first.steps + sum(pixels) * rest,
        round(sum(pixels) * sum(map(len, thrice.files.values()))),
    )


def _model_bytes(source: ModelSource) -> int:
    files: Iterable[Path] = [source.file] if source.file else source.folder.rglob("*.safetensors")
    return sum(file.stat().st_size for file in files)


def _settled(recipe: Recipe) -> Recipe:
    from crossattn.pipelines.settle import settle

    pipe = load(
        recipe.model,
        revision=recipe.revision,
        config=recipe.config,
        dtype=recipe.dtype,
        device=recipe.device,
    )
    return settle(recipe, pipe)


def _filled(recipe: Recipe, first: Recipe) -> Recipe:
    names = ("steps", "guidance", "height", "width")
    return recipe.replace(
        **{name: getattr(first, name) for name in names if getattr(recipe, name) is None}
    )


def _shares(recipe: Recipe, first: Recipe) -> tuple[float, float]:
    """Return the work of the steps and the pixels of a recipe, as shares of the first one's."""

    def pixels(one: Recipe) -> float:
        return (one.height or 0) * (one.width or 0)

    def branches(one: Recipe) -> int:
        return 2 if (one.guidance or 0) > 1 else 1

    area = pixels(recipe) / pixels(first)
    steps = (recipe.steps or 0) / (first.steps or 1)
    return steps * area * branches(recipe) / branches(first), area
