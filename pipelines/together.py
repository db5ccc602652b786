"""Several pictures of one shape at once: the model is called once a step for all of them."""

from collections.abc import Sequence

from crossattn.pipelines.called import draws_by_call
from crossattn.pipelines.draw import draw
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result
from crossattn.pipelines.settle import pipeline_of


def run_together(recipes: Sequence[Recipe]) -> list[Result]:
    """Make pictures of recipes that differ in prompts and seed alone, in one batch of the model.

    Edits, regions, weights and words that must be there act on one picture: they are not for here.
    Each has the noise that it has alone, and is what it is alone but for rounding, which differs
    with the number of rows; `seconds` are shared out evenly. Pipelines that draw by their own call
    make one after another. Raises CrossattnError in its kinds.
    """
    alone = draws_by_call(pipeline_of(recipes[0]))
    results: list[Result] = []
    for group in [[recipe] for recipe in recipes] if alone else [recipes]:
        *_, made = draw(group)
        assert isinstance(made, list)
        results += made
    return results
