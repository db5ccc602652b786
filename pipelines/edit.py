"""Editing a picture into that of another prompt; a source kept once serves any number of edits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.controls import (
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
from crossattn.errors import RecipeError
from crossattn.inversion import Following
from crossattn.inversion_methods import AGAINST_CAPTION
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.conditioning import stretches
from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.draw import draw
from crossattn.pipelines.edit_choices import SettledEdit, aligned, kept_windows, settled_edit
from crossattn.pipelines.edit_report import EditReport, report
from crossattn.pipelines.invert import Inverted, keep_picture, put_back, taken_up
from crossattn.pipelines.named_words import check_words
from crossattn.pipelines.null_text import NullText
from crossattn.pipelines.places import place_of_edit
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.regions import mask_of, target_regions
from crossattn.pipelines.result import Result
from crossattn.pipelines.settle import pipeline_of, read, usual_dialect
from crossattn.trace import Trace
from crossattn.words import Prompt

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.pipelines.load import Pipeline

WHOLE = Window()
MARGIN = Window(0.0, 0.5)
"""When things keep a margin of a picture whose place changes: their edges stay theirs, and what is
around them is still made anew."""


@dataclass(frozen=True)
class Source:
    """A picture and its run, kept for edits of it; `length` counts its prompt's stretches.

    Of a picture that exists, `result` is what the autoencoder keeps of it, `picture` the picture
    itself, and `seen` where its words are.
    """

    result: Result
    run: SourceRun
    length: int = 1
    picture: "Image.Image | None" = None
    seen: Trace | None = None


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
    longest edit's has, or as many as it needs. A picture that exists is inverted instead, in memory
    alone. Raises as `run` does, and RecipeError for such a picture with a `file`.
    """
    if recipe.picture is not None:
        if file is not None:
            raise RecipeError(
                f"The run of a picture is kept in memory, not in {file}: leave it out."
            )
        pipe = pipe or pipeline_of(recipe)
        kept: dict[str, Any] = {"bins": bins, "heads": heads, "cross": cross, "share": share}
        for found in keep_picture(recipe, pipe, length=length, **kept):
            if isinstance(found, Inverted):
                yield Source(found.result, found.run, length, found.picture, found.seen)
            else:
                yield found
        return
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
        read(text, tokenizers, recipe.notation)[0] for text in (recipe.prompt, spec.prompt)
    )
    length = max(stretches(before), stretches(after))
    start = recipe.source
    if recipe.picture is not None:
        start, _ = taken_up(start, pipe)
    held = target_regions(recipe.regions, before, after)
    alignment, spec = aligned(before, after, spec), settled_edit(recipe, pipe)
    before_it = 0
    if source is None:
        cross, share = kept_windows(spec)
        kept_by = keep_source(
            start, pipe=pipe, bins=bins, heads=heads, cross=cross, share=share, length=length
        )
        for kept in kept_by:
            if isinstance(kept, Source):
                source = kept
            else:
                before_it = kept.total
                own = kept.total if start.picture is None else start.steps or 0
                yield replace(kept, total=before_it + own)
        assert source is not None
    _check(source.result.recipe, start)
    _check_length(source, length)

    controls = _controls(spec, source, before, after)
    dialect = recipe.dialect or usual_dialect(pipe)
    target = source.result.recipe.replace(
        prompt=spec.prompt, dialect=dialect, regions=held, excite=recipe.excited_in(after)
    )
    whole: dict[str, Any] = {"regions": recipe.regions, "excite": recipe.excite}
    settled = target.replace(prompt=recipe.prompt, edit=spec.model_dump(), **whole)
    follow = None if source.picture is None else Following(source.run)
    if recipe.picture is not None and recipe.picture.method in AGAINST_CAPTION:
        target = target.replace(negative_prompt=recipe.prompt)
    drawing = draw(
        [target],
        pipe=pipe,
        bins=bins,
        heads=heads,
        controls=controls,
        before=_known(spec, source.run),
        follow=follow,
        null_text=NullText.kept(source.run),
    )
    for event in drawing:
        if isinstance(event, list):
            digests = {**target.digests, **event[0].recipe.digests}
            result = replace(event[0], recipe=settled.replace(digests=digests))
            done = Edited(result, source, report(result, source.result, alignment, controls))
            yield _put_back(done, controls)
        else:
            yield replace(event, index=event.index + before_it, total=before_it + event.total)


def _controls(spec: SettledEdit, source: Source, before: Prompt, after: Prompt) -> list[Edit]:
    """The edit's controls, but for those whose windows hold no step of so short a run."""
    controls: list[Edit] = []
    run = source.run
    words = {text: Window(*shares) for text, shares in spec.words.items()}
    cross, share = Window(*spec.cross), Window(*spec.share)
    left = range(_first(spec, run), len(set(run.kept.timesteps)))

    def acts(window: Window) -> bool:
        return any(step in left for step in window.steps(left.stop))

    if any(acts(window) for window in (cross, *words.values())):
        kind = Replace if spec.mode == "replace" else Refine
        controls.append(kind(cross, words=words, source=run))
    if acts(share):
        controls.append(ShareSelfAttention(share, source=run))
    how: dict[str, Any] = {
        "protect": spec.protect,
        "by": spec.by,
        "threshold": spec.threshold,
        "source": run,
    }
    if spec.mask is not None:
        controls.append(LocalBlend((), mask=mask_of(spec.mask), **how))
    elif source.seen is not None:
        place = place_of_edit(source.seen, before, after, spec.blend)
        if place.mask is not None:
            margin = MARGIN if place.around else Window(0.0, 0.0)
            controls.append(LocalBlend(place.words, mask=place.mask, margin=margin, **how))
    elif spec.blend or (spec.blend is not None and _differ(before, after)):
        controls.append(LocalBlend(spec.blend or None, margin=MARGIN, **how))
    return controls


def _differ(before: Prompt, after: Prompt) -> bool:
    """Whether there are words for a blend to find by itself."""
    unshared = align(before, after, "refine")
    return bool(unshared.unmatched or unshared.dropped)


def _put_back(done: Edited, controls: Sequence[Edit]) -> Edited:
    """An edit of a picture that exists with both pictures at its full size, where asked."""
    asked, whole = done.result.recipe.picture, done.source.picture
    if asked is None or whole is None or not asked.put_back:
        return done
    small = next((one.masks[0] for one in controls if isinstance(one, LocalBlend)), None)
    mask = None
    if small is not None:
        size = whole.height, whole.width
        mask = F.interpolate(small[None, None].float(), size=size, mode="nearest")[0, 0].bool()
    return Edited(
        replace(done.result, image=put_back(whole, done.result.image, small)),
        replace(done.source, result=replace(done.source.result, image=whole)),
        replace(done.report, mask=mask),
    )


def _first(spec: SettledEdit, source: SourceRun) -> int:
    """The step that the edit begins with."""
    return Window(spec.begin).steps(len(set(source.kept.timesteps))).start


def _known(spec: SettledEdit, source: SourceRun) -> Sequence[Tensor]:
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
        if (value is not None or name == "excite") and made[name] != value:
            raise RecipeError(
                f"The source was made with {name} {made[name]!r:.60}, the edit asks for "
                f"{value!r:.60}: make the source anew, or edit what it is of."
            )
