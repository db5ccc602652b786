"""Bounds that the browser keeps to; the server holds everybody else to them too."""

from dataclasses import dataclass
from pathlib import Path

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.folders import NONE, Folders

LONGEST_PROMPT = 2000
MOST_STEPS = 100
MOST_GUIDANCE = 50
LONGEST_SIDE = 1024


@dataclass(frozen=True)
class Bounds:
    """What the page draws.

    `offered` maps models to the names that they are shown by, the first one chosen. With `own`
    people may bring models of their own, which are then offered too; without it no folder of the
    server's is read because a recipe names it, but `folders`.
    """

    offered: dict[str, str]
    own: bool = False
    folders: Folders = NONE

    def shown(self, model: str) -> str:
        """The name that a model is shown by."""
        return self.offered.get(model, model)

    @property
    def choices(self) -> list[tuple[str, str]]:
        """The models as Gradio's lists have them: the name shown, and the one in recipes."""
        return [(shown, name) for name, shown in self.offered.items()]

    def offer(self, model: str) -> None:
        """Offer a model that was brought, by its last name if that is free."""
        shown = Path(model).name
        self.offered.setdefault(model, model if shown in self.offered.values() else shown)

    def check_model(self, model: str) -> None:
        """Raise `RecipeError` for a model that is not offered."""
        if model not in self.offered:
            raise RecipeError(
                f"The model {model!r:.80} is not offered here; choose one of "
                f"{', '.join(self.offered.values())}."
            )

    def check(self, recipe: Recipe) -> None:
        """Raise `RecipeError` for what the page does not draw."""
        ours = {"config": None, **vars(self.folders)}
        named = [
            name for name, folder in ours.items() if getattr(recipe, name) not in (None, folder)
        ]
        if named and not self.own:
            raise RecipeError(
                f"The recipe names a folder of its own ({', '.join(named)}), and none is read "
                "here; draw it where the page may load models of one's own (--own-models)."
            )
        self.check_model(recipe.model)
        texts = {
            "prompt": recipe.prompt,
            "negative prompt": recipe.negative_prompt,
            "target prompt": recipe.edit.prompt if recipe.edit else "",
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
