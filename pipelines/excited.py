"""From the words of a recipe that must all be there to the control that sees to it."""

from crossattn.controls import AttendAndExcite
from crossattn.controls.support.nouns import things
from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.words import Prompt


def excite_controls(recipe: Recipe, prompt: Prompt, *, alone: bool) -> list[AttendAndExcite]:
    """The control for `recipe.excite`, none where it is null.

    `alone` says whether the whole picture is drawn by `prompt`. Raises RecipeError where it is
    not, for a picture that exists, and for a prompt that names nothing; WordNotFoundError for a
    word that the prompt lacks.
    """
    if recipe.excite is None:
        return []
    if not alone:
        raise RecipeError(
            "Words can be made sure of in a picture that one prompt draws from beginning to end; "
            "leave excite out, or the marks that change the prompt or join several."
        )
    words = excited_words(recipe.excite, prompt)
    if not words:
        raise RecipeError(
            "excite must name the words that have to be there, for the prompt has no noun."
        )
    return [AttendAndExcite(words)]


def excited_words(excite: tuple[str, ...], prompt: Prompt) -> tuple[str, ...]:
    """The words that `Recipe.excite` stands for in a prompt: those named, or all its things."""
    return excite or tuple(prompt.name_of(prompt.words[at]) for at in things(prompt))
