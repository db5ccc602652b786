"""The one place that draws: recipes that share a shape in, pictures and their traces out."""

import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.control import Control
from crossattn.encoders import tokenizers_of
from crossattn.errors import UnsupportedModelError
from crossattn.pipelines.denoise import (
    Progress,
    decode,
    denoise,
    encode,
    joined,
    with_own_scheduler,
)
from crossattn.pipelines.load import find_model
from crossattn.pipelines.own_context import in_own_context
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.regions import region_controls
from crossattn.pipelines.result import Result, notes_on, word_shares
from crossattn.pipelines.settle import numbers, pipeline_of, read, settle
from crossattn.pipelines.threads import on_its_threads
from crossattn.pipelines.weighting import weigh, weighing, weighted
from crossattn.recorder import Recorder
from crossattn.session import attach

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


@on_its_threads
@in_own_context
def draw(
    recipes: Sequence[Recipe],
    *,
    pipe: "Pipeline | None" = None,
    bins: int = 1,
    heads: bool = False,
    controls: Sequence[Control] = (),
    before: Sequence[Tensor] = (),
) -> Generator[Progress | list[Result]]:
    """Make pictures in one batch of the model: `Progress` per call, then a `Result` of each recipe.

    The recipes differ in prompts and seed alone; weights, regions, `controls` and `before` are for
    one recipe only. The pipeline itself is left as it is: each run has a scheduler of its own, and
    attaches in a context of its own, so runs may be interleaved, left, or put into threads. The
    arguments and errors are those of `run`.
    """
    first = recipes[0]
    source = None
    if pipe is None:
        source = find_model(first.model, first.revision, first.config)
        pipe = pipeline_of(first)
    pipe = with_own_scheduler(pipe, first.scheduler)
    tokenizers = tokenizers_of(pipe)
    started = time.perf_counter()
    settled = [settle(recipe, pipe, source) for recipe in recipes]
    steps, guidance, height, width = numbers(settled[0])
    prompts, notes = zip(*(read(one.prompt, tokenizers) for one in settled), strict=True)
    negatives, more = zip(*(read(one.negative_prompt, tokenizers) for one in settled), strict=True)
    text = joined(
        [
            encode(pipe, prompt.text, negative.text, guidance)
            for prompt, negative in zip(prompts, negatives, strict=True)
        ]
    )
    controls = [*controls, *region_controls(settled[0].regions)]
    had = None
    if weighted(prompts[0]):
        weights, had = weighing(prompts[0], settled[0].dialect, text)
        controls = [*controls, *weights]
        text = weigh(pipe, text, prompts[0], settled[0].dialect)
    generators = [torch.Generator("cpu").manual_seed(one.seed) for one in settled]
    recorder = Recorder(bins=min(bins, steps), heads=heads)
    with attach(
        pipe,
        *controls,
        recorder,
        prompt=prompts,
        negative_prompt=negatives,
        guided=text.guided,
    ):
        for progress in denoise(
            pipe,
            text,
            steps=steps,
            guidance=guidance,
            height=height,
            width=width,
            generator=generators if len(generators) > 1 else generators[0],
            before=before,
        ):
            yield progress
        if not progress.latents.isfinite().all():
            raise UnsupportedModelError(
                "The values of pictures drawn together stopped being numbers; draw each alone."
                if len(recipes) > 1
                else "The model's values stopped being numbers (NaN or infinite) on the way to the "
                "picture; use dtype float32, or less guidance."
            )
        pictures = [
            decode(pipe, latents[None], text.embeds.dtype, generator)
            for latents, generator in zip(progress.latents, generators, strict=True)
        ]
    seconds = (time.perf_counter() - started) / len(recipes)
    whole = recorder.trace
    results = []
    for index, (image, censored) in enumerate(pictures):
        trace = whole.image(index) if len(recipes) > 1 else whole
        said = notes_on(settled[index], prompts[index], censored=censored)
        results.append(
            Result(
                image=image,
                trace=trace,
                recipe=settled[index],
                sampler=type(pipe.scheduler).__name__,
                seconds=seconds,
                words=tuple(word_shares(trace, had.trace if had else None)),
                warnings=(*notes[index], *more[index], *said),
            )
        )
    yield results
