"""The words that a recipe names beside its prompts, found before anything is drawn."""

from crossattn.pipelines.recipe import Recipe
from crossattn.prompt_schedule import plan
from crossattn.words import Prompt, read_prompt

USUAL_STEPS = 50
"""For the moments of a prompt that changes, where a recipe leaves its steps to the model."""


def check_words(recipe: Recipe) -> None:
    """Raise WordNotFoundError for a word that a recipe names and its prompts do not have.

    Regions, `excite`, `blend` and `protect` may name words of either prompt, windows those of the
    target. A prompt that changes during the run, or joins several, has the words of all its parts.
    """
    edit = recipe.edit
    named = [one.word for one in recipe.regions] + list(recipe.excite or ())
    named += [*(edit.blend or ()), *edit.protect] if edit else []
    windows = edit.words if edit else {}
    if not (named or windows):
        return
    source = _prompts(recipe, recipe.prompt)
    target = _prompts(recipe, edit.prompt) if edit else source
    for word in windows:
        target[0].named(word)
    for word in named:
        if not any(word in prompt for prompt in (*source, *target)):
            target[0].named(word)


def _prompts(recipe: Recipe, text: str) -> list[Prompt]:
    """Everything that is read of a text in the course of a run."""
    passages = plan(text, recipe.steps or USUAL_STEPS)
    sources = dict.fromkeys(part.source for parts, _ in passages for part in parts)
    return [read_prompt(source, dialect=recipe.notation) for source in sources]
