"""Recipe in, picture and trace out: `run(recipe)` is the whole system."""

import inspect
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.control import Control
from crossattn.encoders import tokenizers_of
from crossattn.errors import RecipeError, UnsupportedModelError
from crossattn.pipelines.denoise import Progress, decode, denoise, encode, scheduled
from crossattn.pipelines.load import EMBEDDED, ModelSource, find_model, load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.regions import region_controls
from crossattn.pipelines.threads import on_its_threads
from crossattn.pipelines.weighting import weigh, weighing, weighted
from crossattn.recorder import Recorder
from crossattn.session import attach
from crossattn.trace import Trace
from crossattn.words import Prompt, PromptCutWarning, read_prompt

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.pipelines.load import Pipeline

LIBRARIES = ("crossattn", "torch", "diffusers", "transformers")


@dataclass(frozen=True)
class WordShare:
    """A word, its token positions, and its share of all attention (0 to 1).

    `had` is the share that it would have had without the prompt's weights, None if there are none.
    """

    text: str
    occurrence: int
    tokens: tuple[int, ...]
    mass: float
    weight: float = 1.0
    had: float | None = None


@dataclass(frozen=True)
class Result:
    """A finished picture and all that is known about it.

    `recipe` has every choice filled in, `sampler` names the scheduler's class, `seconds` is the
    wall time without loading the model, `warnings` are sentences for people.
    """

    image: "Image.Image"
    trace: Trace
    recipe: Recipe
    sampler: str
    seconds: float
    words: tuple[WordShare, ...]
    warnings: tuple[str, ...]


@on_its_threads
def run(
    recipe: Recipe,
    *,
    pipe: "Pipeline | None" = None,
    bins: int = 1,
    heads: bool = False,
    controls: Sequence[Control] = (),
    before: Sequence[Tensor] = (),
) -> Generator[Progress | Result]:
    """Make a picture and record which words attend where: `Progress` per call, then a `Result`.

    Without `pipe` the recipe's model is loaded. `bins` is the number of groups of steps that the
    trace keeps apart, `heads` keeps each head too; `controls` are attached before the recorder;
    the first calls are left out of which `before` knows what the scheduler was given, as `denoise`
    says. The noise comes from a generator on the CPU, whatever the device. Closing the iterator
    stops the run and leaves the model as it was. A recipe that edits gives the edited picture.
    Raises CrossattnError in its kinds.
    """
    if recipe.edit is not None:
        from crossattn.pipelines.edit import Edited, edit

        for event in edit(recipe, pipe=pipe, bins=bins, heads=heads):
            yield event.result if isinstance(event, Edited) else event
        return
    source = None
    if pipe is None:
        source = find_model(recipe.model, recipe.revision, recipe.config)
        pipe = load(
            recipe.model,
            revision=recipe.revision,
            config=recipe.config,
            dtype=recipe.dtype,
            device=recipe.device,
        )
    started = time.perf_counter()
    settled = settle(recipe, pipe, source)
    prompt, notes = read(settled.prompt, tokenizers_of(pipe))
    negative, more = read(settled.negative_prompt, tokenizers_of(pipe))
    notes += more

    steps, guidance, height, width = numbers(settled)
    generator = torch.Generator("cpu").manual_seed(settled.seed)
    recorder = Recorder(bins=min(bins, steps), heads=heads)
    text = encode(pipe, prompt.text, negative.text, guidance)
    controls = [*controls, *region_controls(settled.regions, prompt)]
    had = None
    if weighted(prompt):
        weights, had = weighing(prompt, settled.dialect, text)
        controls = [*controls, *weights]
        text = weigh(pipe, text, prompt, settled.dialect)
    with (
        scheduled(pipe, settled.scheduler),
        attach(
            pipe,
            *controls,
            recorder,
            prompt=prompt,
            negative_prompt=negative,
            guided=text.guided,
        ),
    ):
        sampler = type(pipe.scheduler).__name__
        for progress in denoise(
            pipe,
            text,
            steps=steps,
            guidance=guidance,
            height=height,
            width=width,
            generator=generator,
            before=before,
        ):
            yield progress
        if not progress.latents.isfinite().all():
            raise UnsupportedModelError(
                "The model's values stopped being numbers (NaN or infinite) on the way to the "
                "picture; use dtype float32, or less guidance."
            )
        image, censored = decode(pipe, progress.latents, text.embeds.dtype, generator)
    trace = recorder.trace
    yield Result(
        image=image,
        trace=trace,
        recipe=settled,
        sampler=sampler,
        seconds=time.perf_counter() - started,
        words=tuple(word_shares(trace, had.trace if had else None)),
        warnings=(*notes, *notes_on(settled, prompt, censored=censored)),
    )


def settle(recipe: Recipe, pipe: "Pipeline", source: ModelSource | None = None) -> Recipe:
    """Fill in every choice that a recipe leaves to the model.

    Raises RecipeError if its size does not suit the model.
    """
    factor = pipe.vae_scale_factor
    for name, value in (("height", recipe.height), ("width", recipe.width)):
        if value and value % factor:
            raise RecipeError(
                f"The {name} must be a multiple of {factor} for {recipe.model}, but is {value}."
            )
    size = pipe.unet.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    call = inspect.signature(type(pipe).__call__).parameters
    steps, guidance = call["num_inference_steps"].default, call["guidance_scale"].default
    if recipe.model == EMBEDDED:
        steps, guidance = 25, 4.0
    choices: dict[str, Any] = {
        "revision": source.revision if source else None,
        "steps": steps,
        "guidance": guidance,
        "height": height * factor,
        "width": width * factor,
        "device": str(pipe.device),
    }
    open_choices = {key: value for key, value in choices.items() if getattr(recipe, key) is None}
    return recipe.replace(**open_choices, versions={name: version(name) for name in LIBRARIES})


def read(source: str, tokenizers: dict[str, Any]) -> tuple[Prompt, list[str]]:
    """Read a prompt as the named encoders will, and say what fell off the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PromptCutWarning)
        prompt = read_prompt(source, tokenizers)
    return prompt, [str(one.message) for one in caught]


def positions(tokens: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return the places of a word in the sequence that the denoiser attends to.

    Encoders that read in parallel (SDXL's two) share places, so they are joined.
    """
    return tuple(sorted({place for encoder in tokens for place in encoder}))


def word_shares(trace: Trace, before: Trace | None = None) -> Iterator[WordShare]:
    """Give each word's share of attention in a trace; `before` is one without weights."""
    had: list[float] | list[None]
    had = [mass for _, mass in before.mass] if before else [None] * len(trace.mass)
    for (word, mass), past in zip(trace.mass, had, strict=True):
        yield WordShare(word.text, word.occurrence, positions(word.tokens), mass, word.weight, past)


def numbers(recipe: Recipe) -> tuple[int, float, int, int]:
    """Return a settled recipe's steps, guidance, and height and width in pixels."""
    assert recipe.steps is not None and recipe.guidance is not None
    assert recipe.height is not None and recipe.width is not None
    return recipe.steps, recipe.guidance, recipe.height, recipe.width


def notes_on(recipe: Recipe, prompt: Prompt, *, censored: bool) -> Iterator[str]:
    """Give what a person should know of a picture, in sentences."""
    if recipe.model == EMBEDDED:
        from crossattn.pipelines.emoji_sd import unknown_words

        for word, near in unknown_words(prompt.text).items():
            hint = f"; it knows {' and '.join(near)}" if near else ""
            yield f"{EMBEDDED} never learned the word {word!r}{hint}."
    if recipe.negative_prompt.strip() and (recipe.guidance or 0) <= 1:
        yield "The negative prompt has no effect, because guidance is not above 1."
    if censored:
        yield "The model's own safety checker blacked the picture out."
