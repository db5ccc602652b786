"""The words that regions and edits of a recipe name, found before anything is drawn."""

from crossattn.pipelines.recipe import Recipe
from crossattn.words import read_prompt


def check_words(recipe: Recipe) -> None:
    """Raise WordNotFoundError for a word that a recipe names and its prompts do not have.

    Regions, `blend` and `protect` may name words of either prompt, windows those of the target.
    """
    edit = recipe.edit
    source = read_prompt(recipe.prompt, dialect=recipe.dialect)
    target = read_prompt(edit.prompt, dialect=recipe.dialect) if edit else source
    named = [one.word for one in recipe.regions]
    if edit:
        named += [*(edit.blend or ()), *edit.protect]
        for word in edit.words:
            target.named(word)
    for word in named:
        if word not in source:
            target.named(word)
