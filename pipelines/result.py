"""A finished picture, and what is known about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossattn.pipelines.load import EMBEDDED
from crossattn.pipelines.recipe import Recipe
from crossattn.trace import Trace
from crossattn.words import Prompt

if TYPE_CHECKING:
    from PIL import Image


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


def positions(tokens: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return the places of a word in the sequence that the denoiser attends to.

    Encoders that read in parallel (SDXL's two) share places, so they are joined.
    """
    return tuple(sorted({place for encoder in tokens for place in encoder}))


def word_shares(trace: Trace, before: Trace | None = None) -> Iterator[WordShare]:
    """Return each word's share of attention in a trace; `before` is one without weights."""
    had: list[float] | list[None]
    had = [mass for _, mass in before.mass] if before else [None] * len(trace.mass)
    for (word, mass), past in zip(trace.mass, had, strict=True):
        yield WordShare(word.text, word.occurrence, positions(word.tokens), mass, word.weight, past)


def notes_on(recipe: Recipe, prompt: Prompt, *, censored: bool) -> Iterator[str]:
    """Return what a person should know of a picture, in sentences."""
    if recipe.model == EMBEDDED:
        from crossattn.pipelines.emoji_sd import unknown_words

        for word, near in unknown_words(prompt.text).items():
            hint = f"; it knows {' and '.join(near)}" if near else ""
            yield f"{EMBEDDED} never learned the word {word!r}{hint}."
    if recipe.negative_prompt.strip() and (recipe.guidance or 0) <= 1:
        yield "The negative prompt has no effect, because guidance is not above 1."
    if censored:
        yield "The model's own safety checker blacked the picture out."
