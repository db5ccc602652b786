"""Which recipes cannot be drawn together with others."""

from crossattn.pipelines.recipe import Recipe
from crossattn.prompt_schedule import is_several
from crossattn.words import read_prompt


def drawn_alone(recipe: Recipe) -> bool:
    """Return whether a recipe edits, loads files, or holds, excites, weighs or changes words."""
    texts = recipe.prompt, recipe.negative_prompt
    if recipe.edit or recipe.regions or recipe.embeddings or recipe.excite is not None:
        return True
    if any(map(is_several, texts)):
        return True
    read = [read_prompt(text, dialect=recipe.notation) for text in texts]
    return any(p.loras or any(word.weight != 1 for word in p.words) for p in read)
