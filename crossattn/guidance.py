"""Which rows of the denoiser's batch are conditional: told, heard, or said by the pipeline."""

import warnings
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import torch
from torch import Tensor

from crossattn.encoders import read_as
from crossattn.errors import ControlError, PromptError
from crossattn.heard import Heard, Text
from crossattn.per_tensor import PerTensor
from crossattn.prompt_2 import beside
from crossattn.rows import Rows, prompts_of
from crossattn.sides import called_for
from crossattn.word_spans import quoted
from crossattn.words import Prompt, read_prompt

GUIDED = ("negative", "positive")
UNGUIDED = ("positive",)


class UnreadWeightsWarning(UserWarning):
    """`attach` was told a text with weights in it, and reads it as it stands, marks and all."""


class Guidance:
    """Reads the rows of each call of the denoiser from the best evidence there is.

    That is, in order: `told`, what `attach` was told of guidance; what the text encoders were heard
    to encode, row by row; the pipeline's guider; its own word, by the `convention` of its family.
    Where these leave doubt it raises `ControlError`, and so it does where the encoders read another
    prompt than `attach` was told.
    """

    def __init__(
        self,
        pipe: Any,
        heard: Heard,
        prompts: Sequence[Prompt],
        negative_prompts: Sequence[Prompt],
        told: bool | None,
        convention: str = "batch",
    ) -> None:
        self._pipe = pipe
        self._heard = heard
        self._prompts = tuple(prompts)
        self._negative_prompts = tuple(negative_prompts)
        self._told = told
        self._convention = convention
        self._lone: Tensor | None = None
        self._heard_of: tuple[Sequence[tuple[Text, ...]], Rows] | None = None
        self._alike: PerTensor[bool] = PerTensor()

    @property
    def guided(self) -> bool | None:
        """Whether pictures are guided, as told or as the pipeline says; None where none does."""
        if self._told is not None:
            return self._told
        said = getattr(self._pipe, "do_classifier_free_guidance", None)
        return None if said is None else bool(said)

    def rows(self, embeds: Tensor, count: int) -> Rows:
        """The rows of a call with `count` of them and `embeds` (rows, tokens, channels)."""
        texts = self._heard.texts(embeds)
        if self._prompts and any(texts):
            # The same tensor's texts are the same object, until more is heard.
            if self._heard_of is None or self._heard_of[0] is not texts:
                self._heard_of = texts, self._of_told(texts)
            return self._heard_of[1]
        alike = all(texts) and len(set(texts)) == 1
        return self._as_said(embeds, count, alike)

    def read(self, embeds: Tensor, rows: Rows) -> tuple[Prompt, ...]:
        """The prompt of each image of a call, read from what the encoders were given.

        Nothing where they were not heard, or where their tokens cannot be spelled out again.
        """
        texts = self._heard.texts(embeds)
        read = []
        for _, row, _ in rows.conditional():
            if not texts[row]:
                return ()
            spelled = read_as(self._heard.encoders, self._heard.words_of(texts[row][0]))
            if not texts[row][0].says(spelled):
                return ()
            read.append(spelled)
        return tuple(read)

    def read_beside(self, embeds: Tensor, rows: Rows) -> tuple[Prompt, ...]:
        """The told prompts, with the words of what a second encoder was given instead."""
        texts = self._heard.texts(embeds)
        prompts = list(self._prompts)
        for number in range(len(prompts)):
            row = next((row for _, row, prompt in rows.conditional() if prompt == number), None)
            names = {encoding.name for encoding in prompts[number].encodings}
            for text in texts[row] if row is not None else ():
                if text.encoder in names and not text.says(prompts[number]):
                    encoder = [e for e in self._heard.encoders if e.name == text.encoder]
                    other = read_as(encoder, self._heard.words_of(text))
                    if text.says(other):
                        prompts[number] = beside(prompts[number], other)
        return tuple(prompts)

    @property
    def _blocks(self) -> tuple[str, ...]:
        """The sides of a batch by the pipeline's own convention."""
        sides = GUIDED if self.guided else UNGUIDED
        if self._convention == "reversed":
            return sides[::-1]
        if getattr(self._pipe, "do_perturbed_attention_guidance", False):
            return (*sides, "other")
        if self.guided and hasattr(type(self._pipe), "image_guidance_scale"):
            return ("positive", "other", "other")  # InstructPix2Pix
        return sides

    def _as_said(self, embeds: Tensor, count: int, alike: bool) -> Rows:
        """Rows that no told prompt was heard in; `alike` if they all hold one text."""
        for prompt in self._prompts:
            _warn_of_weights(prompt)
        prompts = len(self._prompts) or None
        conditional = getattr(getattr(self._pipe, "guider", None), "is_conditional", None)
        if self._told is None and conditional is not None:
            return Rows.by_blocks(count, UNGUIDED if conditional else ("negative",), prompts)
        if self._convention == "calls" and (side := called_for()) is not None:
            return Rows.by_blocks(count, ("negative",) if "uncond" in side else UNGUIDED, prompts)
        if self._convention == "calls" and self.guided:
            # Diffusers' pipelines of separate calls run the prompt first.
            self._lone = embeds if self._lone is None else self._lone
            first = self._is_lone(embeds)
            return Rows.by_blocks(count, UNGUIDED if first else ("negative",), prompts)
        if self.guided is None:
            if count != (prompts or 1) and not alike:
                raise ControlError(self._doubt(count, "guided=True or False"))
            # Rows of one side are the prompt's, unless a call of another text shows two sides.
            if self._lone is None:
                self._lone = embeds
            if not self._is_lone(embeds):
                raise ControlError(self._doubt(count, "guided=False if all are conditional"))
        return Rows.by_blocks(count, self._blocks, prompts)

    def _is_lone(self, embeds: Tensor) -> bool:
        """Whether a text is the one that was given first."""
        lone = self._lone
        if lone is None or embeds is lone:
            return True
        return self._alike.get((embeds, lone), lambda: _same(embeds, lone))

    def _of_told(self, texts: Sequence[tuple[Text, ...]]) -> Rows:
        """Rows by which of the told prompts each of them holds."""
        said = [self._told_in(row, self._prompts) for row in texts]
        positive = [row for row, prompts in enumerate(said) if prompts]
        other: list[int] = []
        everything = self._heard.heard
        if not positive:
            unheard = [row for row, each in enumerate(texts) if not each]
            if not any(self._told_in((text,), self._prompts) for text in everything):
                raise ControlError(self._mismatch(everything))
            # The told prompt was encoded: a row that nothing heard equals is its weighted form.
            positive = unheard
        elif len(positive) == len(texts) and self._same_sides(everything):
            positive = positive[len(positive) // 2 :]
        if getattr(self._pipe, "do_perturbed_attention_guidance", False):
            other = positive[len(positive) // 2 :]
            positive = positive[: len(positive) // 2]
        negative = [row for row in range(len(texts)) if row not in {*positive, *other}]
        foreign = [text for row in negative for text in texts[row]]
        asked = [text for row in positive for text in texts[row]]
        pairs = ((one, another) for one in foreign for another in asked)
        prompts = self.guided is False and any(self._heard.together(*pair) for pair in pairs)
        if negative and (prompts or self._told is False):
            raise ControlError(self._mismatch(foreign))
        if positive and len(negative) != len(positive) and negative:
            half = len(negative) // 2
            if len(negative) != 2 * len(positive) or (
                [texts[row] for row in negative[:half]] != [texts[row] for row in negative[half:]]
            ):
                raise ControlError(self._mismatch(foreign))
            negative, other = [], negative
        for row in negative if self._negative_prompts else ():
            if texts[row] and not self._told_in(texts[row], self._negative_prompts):
                raise ControlError(self._mismatch(texts[row], negative=True))
        return self._assigned(positive, negative, other, said, everything)

    def _assigned(
        self,
        positive: list[int],
        negative: list[int],
        other: list[int],
        said: Sequence[frozenset[int]],
        everything: Sequence[Text],
    ) -> Rows:
        """The rows with the prompt of each image, all prompts at once or one a call."""
        count, prompts = max(len(positive), len(negative)), len(self._prompts)
        if count % prompts == 0:
            expected = prompts_of(count, prompts)
            rows = zip(positive, expected, strict=False)
            if all(not said[row] or prompt in said[row] for row, prompt in rows):
                return Rows.of_sides(positive, negative, other, expected)
        elif not positive:
            return Rows.of_sides(positive, negative, other, range(prompts))
        missing = [
            prompt
            for number, prompt in enumerate(self._prompts)
            if not any(number in self._told_in((text,), self._prompts) for text in everything)
        ]
        here = frozenset.intersection(*(said[row] for row in positive)) if positive else frozenset()
        if missing or not here:
            raise ControlError(self._mismatch(everything))
        whole = prompts_of(len(positive) * prompts, prompts)
        return Rows.of_sides(positive, negative, other, whole, min(here) * len(positive))

    def _same_sides(self, everything: Sequence[Text]) -> bool:
        """Whether the negative prompt is the prompt itself, so that no text tells the sides."""
        alone = all(self._told_in((text,), self._prompts) for text in everything)
        return bool(self.guided) and alone

    def _told_in(self, texts: Sequence[Text], told: Sequence[Prompt]) -> frozenset[int]:
        """The indices of the told prompts that a row with these texts holds."""
        for text in texts:
            found = frozenset(n for n, prompt in enumerate(told) if text.says(prompt))
            if found:
                return found
        return frozenset()

    def _doubt(self, count: int, remedy: str) -> str:
        name = type(self._pipe).__name__
        return (
            f"{name} does not say whether its batch of {count} row(s) holds negative ones; "
            f"give attach {remedy}."
        )

    def _mismatch(self, texts: Sequence[Text], *, negative: bool = False) -> str:
        told = self._negative_prompts if negative else self._prompts
        foreign = (text for text in texts if not self._told_in((text,), told))
        spelled = dict.fromkeys(self._heard.words_of(text) for text in foreign)
        # Of several texts (negative prompts, parts of prompts) the one that is most alike.
        words = sorted(spelled, key=lambda each: -_likeness(each, told)) or ["another text"]
        weighted = " (read_prompt(prompt, tokenizers) for one with weights)"
        return (
            f"The encoder read {quoted(words[0])} and attach was told "
            f"{' and '.join(quoted(prompt.text) for prompt in told)}; give attach the "
            f"{'negative ' if negative else ''}prompts that the pipeline is given"
            f"{weighted if any(_has_weights(prompt) for prompt in told) else ''}."
        )


def _likeness(text: str, told: Sequence[Prompt]) -> float:
    return max(SequenceMatcher(None, text, prompt.text).ratio() for prompt in told)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and (one.is_meta or torch.equal(one, other))


def _has_weights(prompt: Prompt) -> bool:
    """Whether a text that was read as it stands has weights in it."""
    if prompt.raw != prompt.text:
        return False
    try:
        return any(word.weight != 1 for word in read_prompt(prompt.raw).words)
    except PromptError:
        return True


def _warn_of_weights(prompt: Prompt) -> None:
    if _has_weights(prompt):
        warnings.warn(
            f"attach was told {quoted(prompt.raw)} and reads it as it stands, brackets and numbers "
            "too; if they are weights, give read_prompt(prompt, tokenizers).",
            UnreadWeightsWarning,
            stacklevel=2,
        )
