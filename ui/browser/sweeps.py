"""Several pictures at once: a word from weak to strong, or other seeds."""

from collections.abc import Iterator
from typing import Any

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.weight_writing import with_weights
from crossattn.words import read_prompt

MOST = 8
"""Pictures of a sweep."""


def swept(recipe: Recipe, asked: dict[str, Any]) -> Iterator[tuple[str, Recipe]]:
    """What each picture is called, and its recipe.

    `asked` is {word: its place in the prompt, weights: numbers}, or {seeds: how many, counted from
    the recipe's}. Raises `RecipeError` for more than `MOST`, none, or a word that is not there.
    """
    weights = [float(weight) for weight in asked.get("weights", ())]
    count = len(weights) or int(asked.get("seeds", 0))
    if not 1 <= count <= MOST:
        raise RecipeError(f"A sweep draws 1 to {MOST} pictures, but {count} are asked.")
    if not weights:
        for seed in range(recipe.seed, recipe.seed + count):
            yield f"seed {seed}", recipe.replace(seed=seed)
        return
    prompt, place = read_prompt(recipe.prompt, dialect=recipe.notation), int(asked["word"])
    if not 0 <= place < len(prompt.words):
        raise RecipeError(f"The prompt has {len(prompt.words)} words, and none at {place + 1}.")
    for weight in weights:
        yield f"{weight:g}", recipe.replace(prompt=with_weights(prompt, {place: weight}))
