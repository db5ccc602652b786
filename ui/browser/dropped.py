"""Pictures that are dropped on the page: those made here, and those by other programs."""

from pathlib import Path

from crossattn.errors import CrossattnError, InputError
from crossattn.pipelines.picture import read_recipe
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.takeover import made_elsewhere, take_over


def recipe_in(file: Path) -> tuple[Recipe, str]:
    """The recipe of a file that was sent here, and what of another program's is not in it.

    Raises InputError for a picture without either, which names the file as the person does.
    """
    try:
        if not made_elsewhere(file):
            return read_recipe(file), ""
        taken = take_over(file)
    except CrossattnError as error:
        raise InputError(str(error).replace(str(file), file.name)) from error
    return taken.recipe, f"Not taken over from {taken.program}: {'; '.join(taken.left)}."
