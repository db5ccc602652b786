"""A finished picture, and what is known about it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossattn.dialects import Dialect
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.shipped import SHIPPED
from crossattn.trace import Trace
from crossattn.words import Prompt

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class WordShare:
    """A word, its token positions, and what it has of the picture and of the attention (0 to 1).

    `cover` is how much of the picture it covers, the share to tell people (`crossattn.coverage`);
    `mass` is its share of all attention. Of a word that a weight below 0 turns around, both are how
    much it is looked at all the same. `had_cover` and `had` are what they would have been in this
    picture without the prompt's weights, None if there are none.
    """

    text: str
    occurrence: int
    tokens: tuple[int, ...]
    cover: float
    mass: float
    weight: float = 1.0
    had_cover: float | None = None
    had: float | None = None


@dataclass(frozen=True)
class PassageTrace:
    """One of the prompts that a picture was drawn by, where its words went, and when.

    `steps` are its steps, counted from 0, and `weight` is its part in an AND.
    """

    text: str
    steps: tuple[int, ...]
    weight: float
    trace: Trace
    words: tuple[WordShare, ...]


@dataclass(frozen=True)
class Result:
    """A finished picture and all that is known about it.

    `recipe` has every choice filled in, `sampler` names the scheduler's class, `seconds` is the
    wall time without loading the model, `warnings` are sentences for people. `passages` has each
    prompt that drew it, one unless the prompt changes during the run or has AND; `trace` and
    `words` are those of the passage with the most steps, the first of them. `negative_words` are
    those of a negative prompt that has weights, none otherwise.
    """

    image: "Image.Image"
    trace: Trace
    recipe: Recipe
    sampler: str
    seconds: float
    words: tuple[WordShare, ...]
    warnings: tuple[str, ...]
    passages: tuple[PassageTrace, ...] = ()
    negative_words: tuple[WordShare, ...] = ()


def positions(tokens: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return the places of a word in the sequence that the denoiser attends to.

    Encoders that read in parallel (SDXL's two) share places, so they are joined.
    """
    return tuple(sorted({place for encoder in tokens for place in encoder}))


def word_shares(trace: Trace, before: Trace | None = None) -> Iterator[WordShare]:
    """Return what each word has in a trace; `before` is one without weights."""
    words = [word for word, _ in trace.mass]
    none: list[tuple[None, None]] = [(None, None)] * len(words)
    for word, now, then in zip(words, _has(trace), _has(before) if before else none, strict=True):
        yield WordShare(
            word.text, word.occurrence, positions(word.tokens), *now, word.weight, *then
        )


def _has(trace: Trace) -> list[tuple[float, float]]:
    """What each word covers, and its share of all attention."""
    return [(cover, mass) for (_, cover), (_, mass) in zip(trace.cover, trace.mass, strict=True)]


def unexplained(trace: Trace) -> str:
    """Return what no word has of the attention, and where it is, in one sentence for people."""
    words = sum(mass for _, mass in trace.mass)
    layout = trace.view.record.layout
    text = trace.within - words
    told = f"{text:.0%} of all attention rests on no word but on start, end and padding"
    if layout.rest:
        told += f", {1 - trace.within:.0%} on the picture itself"
    return f"{told}: that is where a model looks when no word is meant."


LITTLE = 0.01
"""A share of all attention whose moving hardly shows."""


def notes_on_weights(words: Iterable[WordShare], dialect: Dialect) -> Iterator[str]:
    """Return a sentence for people if weights on attention moved next to none of it."""
    if not dialect.startswith("attention"):
        return
    moved = [abs(word.mass - word.had) for word in words if word.weight != 1 and word.had]
    if moved and sum(moved) < LITTLE:
        yield (
            f"The weights moved {sum(moved):.2%} of all attention, which hardly changes a picture; "
            'the dialect "difference" changes what the text says.'
        )


def notes_on(
    recipe: Recipe, prompts: Iterable[Prompt], *, censored: bool, guided: bool
) -> Iterator[str]:
    """Return what a person should know of a picture, in sentences."""
    if recipe.model in SHIPPED:
        from crossattn.pipelines.emoji_sd import unknown_words

        unknown = {word: near for one in prompts for word, near in unknown_words(one.text).items()}
        for word, near in unknown.items():
            hint = f"; it knows {' and '.join(near)}" if near else ""
            yield f"{recipe.model} never learned the word {word!r}{hint}."
    if recipe.negative_prompt.strip() and not guided:
        why = "guidance is not above 1"
        if (recipe.guidance or 0) > 1:
            why = "this model takes guidance as an input, without asking what is not wanted"
        yield f"The negative prompt has no effect, because {why}."
    if censored:
        yield "The model's own safety checker blacked the picture out."
