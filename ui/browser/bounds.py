"""Bounds that the browser keeps to; the server holds everybody else to them too."""

from collections.abc import Mapping

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.folders import NONE, Folders

LONGEST_PROMPT = 2000
MOST_STEPS = 100
MOST_GUIDANCE = 50
LONGEST_SIDE = 1024


def check(
    recipe: Recipe, offered: Mapping[str, str], *, own: bool, folders: Folders = NONE
) -> None:
    """Raise `RecipeError` for what the page does not draw.

    `offered` maps models to their names. Unless people may bring models of their `own`, no folder
    of the server's but `folders` is read because a recipe names it.
    """
    ours = {"config": None, **vars(folders)}
    named = [name for name, folder in ours.items() if getattr(recipe, name) not in (None, folder)]
    if named and not own:
        raise RecipeError(
            f"The recipe names a folder of its own ({', '.join(named)}), and none is read here; "
            "draw it where the page may load models of one's own (--own-models)."
        )
    if recipe.model not in offered:
        raise RecipeError(
            f"The model {recipe.model!r:.80} is not offered here; choose one of "
            f"{', '.join(offered.values())}."
        )
    target = recipe.edit.prompt if recipe.edit else ""
    texts = {
        "prompt": recipe.prompt,
        "negative prompt": recipe.negative_prompt,
        "target prompt": target,
    }
    for name, text in texts.items():
        if len(text) > LONGEST_PROMPT:
            raise RecipeError(
                f"The {name} has {len(text)} characters; shorten it to {LONGEST_PROMPT}."
            )
    if (recipe.steps or 0) > MOST_STEPS:
        raise RecipeError(f"{recipe.steps} steps are asked; choose at most {MOST_STEPS} here.")
    if max(recipe.width or 0, recipe.height or 0) > LONGEST_SIDE:
        raise RecipeError(
            f"{recipe.width} × {recipe.height} pixels are asked; choose sides of at most "
            f"{LONGEST_SIDE} here."
        )
