"""Editing a picture into that of another prompt; a source kept once serves any number of edits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from crossattn.controls import (
    Alignment,
    Edit,
    LocalBlend,
    Refine,
    Replace,
    ShareSelfAttention,
    SourceRecorder,
    SourceRun,
    Window,
    align,
)
from crossattn.encoders import tokenizers_of
from crossattn.errors import ControlError, RecipeError
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.conditioning import stretches
from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.draw import draw
from crossattn.pipelines.edit_recipe import EditRecipe
from crossattn.pipelines.edit_report import EditReport, report
from crossattn.pipelines.named_words import check_words
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.regions import target_regions
from crossattn.pipelines.result import Result
from crossattn.pipelines.settle import pipeline_of, read
from crossattn.words import Prompt

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

WHOLE = Window()


@dataclass(frozen=True)
class Source:
    """A picture and its run, kept for edits of it; `length` counts its prompt's stretches."""

    result: Result
    run: SourceRun
    length: int = 1


@dataclass(frozen=True)
class Edited:
    """An edited picture, the source it came from, and what the edit did."""

    result: Result
    source: Source
    report: EditReport


def keep_source(
    recipe: Recipe,
    *,
    pipe: "Pipeline | None" = None,
    bins: int = 1,
    heads: bool = False,
    cross: Window = WHOLE,
    share: Window = WHOLE,
    file: Path | None = None,
    length: int = 1,
) -> Iterator[Progress | Source]:
    """Make the picture of `recipe.prompt` and keep its run for edits: `Progress`, then a `Source`.

    `cross` and `share` are the widest windows that the edits will have; with `file` the run is
    kept there rather than in memory. Its prompt is encoded in `length` stretches, as many as the
    longest edit's has, or as many as it needs. Raises as `run` does.
    """
    recorder = SourceRecorder(cross=cross, self_attention=share, file=file)
    drawing = draw(
        [recipe.source], pipe=pipe, bins=bins, heads=heads, controls=[recorder], length=length
    )
    for event in drawing:
        if isinstance(event, list):
            made = max(length, stretches(event[0].trace.prompt))
            yield Source(event[0], recorder.run, made)
        else:
            yield event


def edit(
    recipe: Recipe,
    *,
    pipe: "Pipeline | None" = None,
    source: Source | None = None,
    bins: int = 1,
    heads: bool = False,
) -> Iterator[Progress | Edited]:
    """Edit the picture of `recipe.prompt` as `recipe.edit` says: `Progress`, then an `Edited`.

    A kept `source` is used again, which costs half; without one it is made first. Raises as `run`
    does, and RecipeError if the recipe edits nothing or the source is of another recipe.
    """
    spec = recipe.edit
    if spec is None:
        raise RecipeError("The recipe has no edit: give it edit={'prompt': ...}.")
    if pipe is None:
        pipe = pipeline_of(recipe)
    check_words(recipe)
    adapter_files(recipe)
    tokenizers = tokenizers_of(pipe)
    before, after = (
        read(text, tokenizers, recipe.dialect)[0] for text in (recipe.prompt, spec.prompt)
    )
    length = max(stretches(before), stretches(after))
    start = recipe.source
    held = target_regions(recipe.regions, before, after)
    alignment = aligned(before, after, spec)
    spec = spec.model_copy(update={"mode": alignment.mode})
    runs = 1 if source else 2
    if source is None:
        cross = Window(
            min([spec.cross[0], *(start for start, _ in spec.words.values())]),
            max([spec.cross[1], *(end for _, end in spec.words.values())]),
        )
        share = Window(*spec.share)
        kept_by = keep_source(
            start, pipe=pipe, bins=bins, heads=heads, cross=cross, share=share, length=length
        )
        for kept in kept_by:
            if isinstance(kept, Source):
                source = kept
            else:
                yield replace(kept, total=runs * kept.total)
        assert source is not None
    _check(source.result.recipe, start)
    _check_length(source, length)

    unshared = align(before, after, "refine")
    differ = bool(unshared.unmatched or unshared.dropped)
    controls = _controls(spec, source.run, differ)
    target = source.result.recipe.replace(prompt=spec.prompt, dialect=recipe.dialect, regions=held)
    known = _known(spec, source.run)
    for event in draw([target], pipe=pipe, bins=bins, heads=heads, controls=controls, before=known):
        if isinstance(event, list):
            settled = target.replace(
                prompt=recipe.prompt,
                regions=recipe.regions,
                edit=spec.model_dump(),
                digests={**target.digests, **event[0].recipe.digests},
            )
            result = replace(event[0], recipe=settled)
            yield Edited(result, source, report(result, source.result, alignment, controls))
        else:
            done = (runs - 1) * event.total
            yield replace(event, index=event.index + done, total=runs * event.total)


def aligned(source: Prompt, target: Prompt, spec: EditRecipe) -> Alignment:
    """How the edit links the prompts; where it leaves the mode open, by whether words are swapped.

    Raises ControlError if the mode is "replace" and no word is.
    """
    if spec.mode is not None:
        return align(source, target, spec.mode)
    try:
        return align(source, target, "replace")
    except ControlError:
        return align(source, target, "refine")


def _controls(spec: EditRecipe, source: SourceRun, differ: bool) -> list[Edit]:
    """The edit's controls, but for those whose windows hold no step of so short a run.

    `differ` says whether there are words for a blend to find by itself.
    """
    controls: list[Edit] = []
    words = {text: Window(*shares) for text, shares in spec.words.items()}
    cross, share = Window(*spec.cross), Window(*spec.share)
    left = range(_first(spec, source), len(set(source.kept.timesteps)))

    def acts(window: Window) -> bool:
        return any(step in left for step in window.steps(left.stop))

    if any(acts(window) for window in (cross, *words.values())):
        kind = Replace if spec.mode == "replace" else Refine
        controls.append(kind(cross, words=words, source=source))
    if acts(share):
        controls.append(ShareSelfAttention(share, source=source))
    if spec.blend or (spec.blend is not None and differ):
        blend = LocalBlend(
            spec.blend or None, protect=spec.protect, threshold=spec.threshold, source=source
        )
        controls.append(blend)
    return controls


def _first(spec: EditRecipe, source: SourceRun) -> int:
    """The step that the edit begins with."""
    return Window(spec.begin).steps(len(set(source.kept.timesteps))).start


def _known(spec: EditRecipe, source: SourceRun) -> Sequence[Tensor]:
    """What the source knows of the steps before the edit begins, so that they cost nothing."""
    timesteps = source.kept.timesteps
    # Schedulers of second order (Heun) call the denoiser twice a step, but once in the last.
    calls_a_step = round(len(timesteps) / len(set(timesteps)))
    return source.predicted(_first(spec, source) * calls_a_step).unbind()


def _check_length(source: Source, length: int) -> None:
    if source.length != length:
        raise RecipeError(
            f"The source's prompt was encoded in {source.length} stretches and this edit needs "
            f"{length}: make the source anew with length={length}."
        )


def _check(kept: Recipe, recipe: Recipe) -> None:
    made = kept.model_dump()
    asked = recipe.model_dump(exclude={"versions", "digests", "dialect", "revision", "device"})
    for name, value in asked.items():
        if value is not None and made[name] != value:
            raise RecipeError(
                f"The source was made with {name} {made[name]!r:.60}, the edit asks for "
                f"{value!r:.60}: make the source anew, or edit what it is of."
            )
