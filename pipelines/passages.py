"""The prompts that a picture is drawn by, each with the steps that are its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crossattn.dialects import Dialect
from crossattn.errors import RecipeError
from crossattn.lora_tags import LoraTag
from crossattn.pipelines.adapter_files import AdapterFile, as_tokens
from crossattn.pipelines.conditioning import condition, joined, stretches
from crossattn.pipelines.denoise import Conditioning
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.settle import numbers, read
from crossattn.pipelines.weighting import weigh
from crossattn.prompt_schedule import at_step, is_scheduled, parts
from crossattn.words import Prompt

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


@dataclass(frozen=True)
class Passage:
    """Steps of the run at which the prompts stay the same.

    One prompt and one negative for each picture, or for each part of a prompt with AND, whose
    weights are `parts`. `loras` act on all of them. `notes` are sentences for people.
    """

    steps: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    negatives: tuple[Prompt, ...]
    parts: tuple[float, ...] | None
    dialect: Dialect
    notes: tuple[tuple[str, ...], ...]

    @property
    def loras(self) -> tuple[LoraTag, ...]:
        """The LoRAs that its prompts ask for."""
        return tuple(tag for prompt in self.prompts for tag in prompt.loras)

    @property
    def length(self) -> int:
        """The stretches of the longest of its prompts."""
        return max(stretches(prompt) for prompt in (*self.prompts, *self.negatives))

    def encode(
        self, pipe: "Pipeline", guidance: float, length: int
    ) -> tuple[Conditioning, Conditioning]:
        """Return the texts of all rows in `length` stretches, without their weights and with."""
        pairs = list(zip(self.prompts, self.negatives, strict=True))
        plain = [condition(pipe, *pair, guidance, length) for pair in pairs]
        heavy = [
            weigh(pipe, text, *pair, self.dialect) for text, pair in zip(plain, pairs, strict=True)
        ]
        if self.parts and not plain[0].guided:
            raise RecipeError(
                "AND adds what prompts ask for beyond the negative one, so it needs guidance above "
                "1; raise it, or take AND out."
            )
        return joined(plain), replace(joined(heavy), parts=self.parts)


def passages(
    recipes: Sequence[Recipe], tokenizers: dict[str, Any], files: Sequence[AdapterFile] = ()
) -> tuple[Passage, ...]:
    """Return what settled recipes are drawn by, in the order of the run; `files` are loaded.

    Several recipes are drawn together only if each is of one passage and has no AND. Raises
    PromptError for a prompt that cannot be read.
    """
    steps, *_ = numbers(recipes[0])
    dialect = recipes[0].notation
    if len(recipes) > 1:
        said = [[read(text, tokenizers, dialect) for text in _texts(one)] for one in recipes]
        prompts, negatives = zip(*([prompt for prompt, _ in pair] for pair in said), strict=True)
        notes = tuple(tuple(note for _, found in pair for note in found) for pair in said)
        return (Passage(tuple(range(steps)), prompts, negatives, None, dialect, notes),)
    recipe = recipes[0]
    when: dict[tuple[str, str], list[int]] = {}
    if not any(map(is_scheduled, _texts(recipe))):
        when[_texts(recipe)] = list(range(steps))
    else:
        for step in range(steps):
            prompt, negative = (at_step(text, step, steps) for text in _texts(recipe))
            when.setdefault((prompt, negative), []).append(step)
    return tuple(
        _passage(
            as_tokens(prompt, files), as_tokens(negative, files), tuple(own), tokenizers, dialect
        )
        for (prompt, negative), own in when.items()
    )


def _texts(recipe: Recipe) -> tuple[str, str]:
    return recipe.prompt, recipe.negative_prompt


def _passage(
    prompt: str,
    negative: str,
    steps: tuple[int, ...],
    tokenizers: dict[str, Any],
    dialect: Dialect,
) -> Passage:
    asked = parts(prompt)
    said = [read(part.source, tokenizers, dialect) for part in asked]
    against, notes = read(negative, tokenizers, dialect)
    return Passage(
        steps=steps,
        prompts=tuple(prompt for prompt, _ in said),
        negatives=(against,) * len(said),
        parts=tuple(part.weight for part in asked) if len(asked) > 1 else None,
        dialect=dialect,
        notes=(tuple(dict.fromkeys([*(n for _, found in said for n in found), *notes])),),
    )
