"""The page's fields and the recipes that they stand for."""

from typing import Any

import gradio as gr

from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.drawing import size_of, size_text, whole_number
from crossattn.words import read_prompt, with_weights


def recipe_of(
    prompt: str,
    negative: str,
    model: str,
    seed: str,
    steps: float,
    guidance: float,
    size: str,
    scheduler: str,
    dialect: str,
) -> Recipe:
    """The recipe of the page's fields, in the order of `MakePanel.settings` and the dialect.

    Raises `RecipeError` or `PromptError` for what will not do.
    """
    width, height = size_of(size)
    fields: dict[str, Any] = {"scheduler": scheduler or None, "dialect": dialect}
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
        recipe.dialect,
        recipe.edit.prompt if recipe.edit else gr.skip(),
    )


def without_weights(prompt: str) -> str:
    """A prompt with every weight 1."""
    read = read_prompt(prompt)
    return with_weights(read, dict.fromkeys(range(len(read.words)), 1.0))
