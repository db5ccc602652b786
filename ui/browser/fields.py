"""The page's fields and the recipes that they stand for."""

from collections.abc import Iterable, Iterator
from typing import Any

from crossattn.dialects import Dialect
from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.prompt_schedule import is_several
from crossattn.ui.browser.drawing import size_of, size_text, whole_number
from crossattn.ui.browser.model_settings import settings_of
from crossattn.weight_writing import with_weights
from crossattn.whole_prompt import longest_prompt
from crossattn.words import Prompt, read_prompt

UNSHOWN = {"config", "revision", "loras", "embeddings", "dtype", "threads"}
UNSHOWN_OF_EDITS = {"mode", "begin", "threshold", "words"}


def recipe_of(
    prompt: str,
    negative: str,
    model: str,
    seed: str,
    steps: float | None,
    guidance: float | None,
    size: str,
    scheduler: str,
    dialect: str,
) -> Recipe:
    """The recipe of the page's fields, in the order of `MakePanel.settings` and the dialect.

    Raises `RecipeError` or `PromptError` for what will not do.
    """
    if not prompt.strip():
        raise RecipeError("The prompt is blank: write at least one word to draw.")
    width, height = size_of(size)
    if steps is None or guidance is None or steps != int(steps):
        raise RecipeError(
            f"The steps must be a whole number and the guidance a number, but are {steps} and "
            f"{guidance}; fill them in."
        )
    fields: dict[str, Any] = {"scheduler": scheduler or None, "dialect": dialect or None}
    return Recipe(
        prompt=prompt,
        negative_prompt=negative,
        model=model,
        seed=whole_number(seed, "seed"),
        steps=int(steps),
        guidance=float(guidance),
        width=width,
        height=height,
        **fields,
    )


def holding(recipe: Recipe, held: dict[str, Any], excite: dict[str, Any], *prompts: str) -> Recipe:
    """A recipe with its words held to regions, and made sure of, as the page has it."""
    dialect = recipe.notation
    return recipe.replace(
        regions=regions_of(held, dialect, *prompts), excite=excited_of(excite, dialect, *prompts)
    )


def regions_of(held: dict[str, Any], dialect: Dialect, *prompts: str) -> list[dict[str, Any]]:
    """A recipe's regions of {regions: [{word, mask}], hold, window}, if a prompt has the word."""
    settings = {"hold": float(held["hold"]), "window": held["window"]}
    regions = ({**region, **settings} for region in held["regions"])
    read = (longest_prompt(prompt, dialect) for prompt in prompts)
    return list(word_by_word(regions, *read))


def excited_of(asked: dict[str, Any], dialect: Dialect, *prompts: str) -> tuple[str, ...] | None:
    """`Recipe.excite` of {words: names, [] for every thing or null}, if a prompt has the word."""
    if not asked["words"]:
        return None if asked["words"] is None else ()
    read = [longest_prompt(prompt, dialect) for prompt in prompts]
    return tuple(word for word in asked["words"] if any(word in one for one in read)) or None


def word_by_word(regions: Iterable[dict[str, Any]], *prompts: Prompt) -> Iterator[dict[str, Any]]:
    """Regions of one word each, by its own name in the first of the prompts that has it."""
    for region in regions:
        prompt = next((one for one in prompts if region["word"] in one), None)
        if prompt is not None:
            for word in prompt.named(region["word"]):
                yield {**region, "word": prompt.name_of(word)}


def fields_of(recipe: Recipe) -> tuple[Any, ...]:
    """A recipe as the values of the page's fields: those of `recipe_of`, and the target."""
    return (
        recipe.prompt,
        recipe.negative_prompt,
        recipe.model,
        str(recipe.seed),
        recipe.steps,
        recipe.guidance,
        size_text(recipe.width, recipe.height),
        recipe.scheduler or "",
        "" if recipe.dialect == settings_of(recipe.model).dialect else recipe.dialect or "",
        recipe.edit.prompt if recipe.edit else recipe.prompt,
    )


def with_unshown(recipe: Recipe, earlier: Iterable[Recipe]) -> Recipe:
    """A recipe with what the page has no field for, as in the first of `earlier` of its words.

    So a picture that was made elsewhere and dropped here keeps it, until its words change.
    """
    for one in earlier:
        if one.model == recipe.model and _words(one) == _words(recipe):
            more = one.model_dump(include=UNSHOWN)
            if recipe.edit and one.edit:
                kept = one.edit.model_dump(include=UNSHOWN_OF_EDITS)
                more["edit"] = {**recipe.edit.model_dump(), **kept}
            return recipe.replace(**more)
    return recipe


def _words(recipe: Recipe) -> tuple[str, str | None]:
    edit = recipe.edit
    before = without_weights(recipe.prompt, recipe.notation)
    return before, without_weights(edit.prompt, recipe.notation) if edit else None


def without_weights(prompt: str, dialect: Dialect) -> str:
    """A prompt with every weight 1; one that changes or has AND as it stands."""
    if is_several(prompt):
        return prompt
    read = read_prompt(prompt, dialect=dialect)
    return with_weights(read, dict.fromkeys(range(len(read.words)), 1.0))
