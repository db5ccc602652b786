"""The one place that draws: recipes that share a shape in, pictures and their traces out."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.control import Control
from crossattn.encoders import tokenizers_of
from crossattn.errors import RecipeError
from crossattn.inversion import Following, Inversion
from crossattn.pipelines.adapted import READING, adapted
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.call_text import CallText
from crossattn.pipelines.called import check_call
from crossattn.pipelines.calling import call
from crossattn.pipelines.denoise import (
    Conditioning,
    Progress,
    check_finite,
    decode,
    denoise,
    with_own_scheduler,
)
from crossattn.pipelines.during import During
from crossattn.pipelines.excited import excite_controls
from crossattn.pipelines.joint import is_joint
from crossattn.pipelines.load import find_model
from crossattn.pipelines.null_text import NullText
from crossattn.pipelines.own_context import in_own_context
from crossattn.pipelines.passages import Passage, passages
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.regions import region_controls
from crossattn.pipelines.result import (
    PassageTrace,
    Result,
    WordShare,
    notes_on,
    notes_on_weights,
    word_shares,
)
from crossattn.pipelines.settle import numbers, pipeline_of, settle
from crossattn.pipelines.threads import on_its_threads
from crossattn.pipelines.weighting import weigh_controls, weighted
from crossattn.recorder import Recorder
from crossattn.session import attach
from crossattn.word_spans import quoted
from crossattn.words import Prompt

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
    length: int = 1,
    start: Tensor | None = None,
    follow: Following | None = None,
    inversion: Inversion | None = None,
    null_text: NullText | None = None,
) -> Generator[Progress | list[Result]]:
    """Make pictures in one batch of the model: `Progress` per call, then a `Result` of each recipe.

    The recipes differ in prompts and seed alone; what changes or weighs words, regions, `controls`
    and `before` are for one recipe only. Prompts are encoded in `length` stretches, or as many as
    the longest needs. Latents begin at `start`, or where the run that they `follow` did, as
    `denoise` says; of an `inversion` its walk is made, and the picture is what it began with; the
    empty prompts of a `null_text` are found first, and stand in the negative's place. The pipeline
    itself is left as it is: each run has a scheduler of its own, and attaches in a context
    of its own, so runs may be interleaved, left, or put into threads. Where the project has no loop
    for a pipeline, its own call draws (`crossattn.pipelines.called`), by one prompt. The other
    arguments and the errors are those of `run`.
    """
    first = recipes[0]
    source = None
    if pipe is None:
        source = find_model(first.model, first.revision, first.config)
        pipe = pipeline_of(first)
    files = {file for recipe in recipes for file in adapter_files(recipe)}
    if files and len(recipes) > 1:
        raise RecipeError(f"A picture with {min(map(str, files))} is drawn alone, not with others.")
    with ExitStack() as stack:
        own = stack.enter_context(adapted(pipe, adapter_files(first)))
        pipe = with_own_scheduler(own.pipe, first.scheduler)
        started = time.perf_counter()
        settled = [settle(recipe, pipe, source) for recipe in recipes]
        sampler = type(pipe.scheduler).__name__
        if inversion:
            pipe.scheduler, start = inversion.walk(pipe.scheduler.config), inversion.start
        steps, guidance, height, width = numbers(settled[0])
        with READING:
            drawn_by = passages(settled, tokenizers_of(pipe), own.files)
            length = max(length, *(passage.length for passage in drawn_by))
            check_call(pipe, drawn_by, begun=len(before) > 0)
            texts = []
            for passage in drawn_by:
                own.act(passage.loras)
                texts.append(passage.encode(pipe, guidance, length))
        acting = {step: passage.loras for passage in drawn_by for step in passage.steps}
        watched = [
            _Watched.of(
                passage, plain, settled[0], len(drawn_by), min(bins, steps), heads, is_joint(pipe)
            )
            for passage, (plain, _) in zip(drawn_by, texts, strict=True)
        ]
        guided = texts[0][1].guided
        by_step = {
            step: text for p, (_, text) in zip(drawn_by, texts, strict=True) for step in p.steps
        }
        if null_text and null_text.embeds is None:
            yield from null_text.find(pipe, texts[0][1], guidance, height, width)
        if null_text:
            by_step = null_text.told(by_step)
        generators = [torch.Generator("cpu").manual_seed(one.seed) for one in settled]
        if len(drawn_by) > 1 and controls:
            stack.enter_context(attach(pipe, *controls, guided=guided))
        for one in watched:
            attached = [*(controls if len(drawn_by) == 1 else ()), *one.controls]
            passage = one.passage
            stack.enter_context(
                attach(
                    pipe,
                    *attached,
                    prompt=passage.prompts,
                    negative_prompt=passage.negatives,
                    guided=guided,
                )
            )
        text = texts[0][1]
        size = {"height": height, "width": width}
        how: dict[str, Any] = {"steps": steps, "guidance": guidance, **size}
        if isinstance(text, CallText):
            own.act(acting[0])
            picture = yield from call(pipe, text, generator=generators[0], **how)
            pictures = [(picture, False)]
        else:
            for progress in denoise(
                pipe,
                [by_step[step] for step in range(steps)],
                generator=generators if len(generators) > 1 else generators[0],
                before=before,
                start=start,
                follow=follow,
                at_step=lambda step: own.act(acting[step]),
                **how,
            ):
                yield progress
            check_finite(progress.latents)
            finished = inversion.picture if inversion else progress.latents
            pictures = [
                decode(pipe, latents[None], text.embeds.dtype, generator)
                for latents, generator in zip(finished, generators, strict=True)
            ]
    seconds = (time.perf_counter() - started) / len(recipes)
    results = []
    for index, (image, censored) in enumerate(pictures):
        ours = slice(index, index + 1) if len(recipes) > 1 else slice(None)
        told = [part for one in watched for part in one.traces(ours)]
        most = max(told, key=lambda part: len(part.steps))
        said = [*own.notes, *(note for one in watched for note in one.passage.notes[index])]
        said += [
            note for part in told for note in notes_on_weights(part.words, drawn_by[0].dialect)
        ]
        read = [part.trace.prompt for part in told]
        said += notes_on(settled[index], read, censored=censored, guided=guided)
        results.append(
            Result(
                image=image,
                trace=most.trace,
                recipe=settled[index],
                sampler=sampler,
                seconds=seconds,
                words=most.words,
                warnings=(*dict.fromkeys(said), *_several(told)),
                passages=tuple(told),
                negative_words=next((w for one in watched if (w := one.negative_words())), ()),
            )
        )
    yield results


@dataclass(frozen=True)
class _Watched:
    """A passage with what is attached for it."""

    passage: Passage
    recorder: Recorder
    had: Recorder | None
    controls: tuple[Control, ...]

    @classmethod
    def of(
        cls,
        passage: Passage,
        plain: Conditioning,
        recipe: Recipe,
        count: int,
        bins: int,
        heads: bool,
        joint: bool,
    ) -> "_Watched":
        negative = plain.guided and any(map(weighted, passage.negatives))
        recorder = Recorder(bins=bins, heads=heads, negative=negative)
        negatives = passage.negatives if plain.guided else ()
        weights, signs, had = weigh_controls(
            passage.prompts, negatives, passage.dialect, plain, joint
        )
        held = [one for one in recipe.regions if count == 1 or one.word in passage.prompts[0]]
        regions = region_controls(held, passage.prompts[0])
        alone = count == 1 and len(passage.prompts) == 1
        excited = excite_controls(recipe, passage.prompts[0], alone=alone)
        controls: list[Control] = [*regions, *excited, *weights, recorder, *signs]
        if count > 1:
            controls = [During(one, passage.steps) for one in controls]
        return cls(passage, recorder, had, tuple(controls))

    def traces(self, which: slice) -> Iterator[PassageTrace]:
        """What was recorded of the prompts that are asked for."""
        prompts = self.passage.prompts
        whole = self.recorder.trace
        plain = self.had.trace if self.had else None
        for index in range(len(prompts))[which]:
            alone = len(prompts) == 1
            trace = whole if alone else whole.image(index)
            had = plain if alone or plain is None else plain.image(index)
            weight = self.passage.parts[index] if self.passage.parts else 1.0
            words = tuple(word_shares(trace, had))
            yield PassageTrace(prompts[index].text, self.passage.steps, weight, trace, words)

    def negative_words(self) -> tuple[WordShare, ...]:
        """The words of a negative prompt with weights."""
        if not self.recorder.negative:
            return ()
        trace = self.recorder.trace
        one = trace.image(0) if len(self.passage.prompts) > 1 else trace
        return tuple(word_shares(one.negative))


def _several(told: Sequence[PassageTrace]) -> Iterator[str]:
    if len(told) > 1:
        said = (f"{_said(part.trace.prompt)} at {steps_said(part.steps)}" for part in told)
        texts = "; ".join(said)
        yield (
            f"Several prompts drew this picture: {texts}. The words and maps are those of the one "
            "with the most steps; all are in Result.passages."
        )


def _said(prompt: Prompt) -> str:
    """A prompt and its LoRAs, as people are told of them."""
    loras = " and ".join(map(str, prompt.loras))
    return quoted(prompt.text.strip()) + (f" with {loras}" if loras else "")


def steps_said(steps: Sequence[int]) -> str:
    """Return steps as people count them, from 1: "steps 1 to 4"."""
    first, last = steps[0] + 1, steps[-1] + 1
    if len(steps) == 1:
        return f"step {first}"
    run = f"steps {first} to {last}"
    return run if last - first + 1 == len(steps) else f"{len(steps)} of {run}"
