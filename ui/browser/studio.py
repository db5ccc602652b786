"""What happens when a person presses a button: runs, and what the page is told of them."""

import logging
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import torch

from crossattn.errors import CrossattnError, InputError, RecipeError
from crossattn.pipelines.edit import Edited
from crossattn.pipelines.picture import read_recipe
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result
from crossattn.ui.browser.drawing import Models, Sources, draw
from crossattn.ui.browser.fields import fields_of, recipe_of, regions_of, without_weights
from crossattn.ui.browser.header_panel import status
from crossattn.ui.browser.line import Line
from crossattn.ui.browser.payload import EDIT_FIELDS, card, describe
from crossattn.ui.browser.shelf import Made, Shelf

WAITING = 8
"""Pictures that are drawn or wait at a time; whoever comes then is told to try again."""
LOOK = 0.5
"""Seconds after which a person who waits is told anew how many are ahead."""
HISTORY = 40
"""Pictures that each person's history keeps."""
LONGEST_PROMPT = 2000
MOST_STEPS = 100
LONGEST_SIDE = 1024

Updates = tuple[Any, ...]


class Studio:
    """The page's events.

    `offered` maps names in recipes to names shown: no other model is loaded for anybody. What goes
    wrong is raised as `gr.Error`, with a sentence for people.
    """

    def __init__(self, offered: Mapping[str, str], shelf: Shelf, models: Models) -> None:
        self.offered = offered
        self.shelf = shelf
        self.models = models
        self.sources = Sources()
        self.line = Line(WAITING)

    def generate(
        self,
        prompt: str,
        negative: str,
        model: str,
        seed: str,
        steps: float,
        guidance: float,
        size: str,
        scheduler: str,
        dialect: str,
        keep_seed: bool,
        held: dict[str, Any],
        made: list[str],
    ) -> Iterator[Updates]:
        """Draw the picture that the fields describe.

        `held` is {regions: [{word, mask}], hold, window}, each as in a recipe's regions; those of
        words that the prompt does not have are left out.
        """
        with told():
            recipe = recipe_of(
                prompt, negative, model, seed, steps, guidance, size, scheduler, dialect
            )
            if not keep_seed:
                recipe = recipe.replace(seed=random.randrange(10**6))
            yield from self._draw(recipe.replace(regions=regions_of(held, prompt)), made)

    def edit(
        self,
        prompt: str,
        negative: str,
        model: str,
        seed: str,
        steps: float,
        guidance: float,
        size: str,
        scheduler: str,
        dialect: str,
        target: str,
        edit: dict[str, Any],
        held: dict[str, Any],
        made: list[str],
    ) -> Iterator[Updates]:
        """Edit the picture of the fields into that of `target`.

        `edit` holds {cross, share, blend, protect} as a recipe's edit does; `held` is that of
        `generate`, with the words of either prompt.
        """
        with told():
            source = recipe_of(
                prompt, negative, model, seed, steps, guidance, size, scheduler, dialect
            )
            known = {name: edit[name] for name in EDIT_FIELDS if name in edit}
            recipe = source.replace(edit={"prompt": target, **known})
            yield from self._draw(recipe.replace(regions=regions_of(held, prompt, target)), made)

    def restore(self, key: str, made: list[str]) -> Updates:
        """Bring a picture of the history back: its fields, and the stage."""
        with told():
            one = self.shelf.get(key)
            return (*fields_of(one.recipe), *self._told_of(one, made))

    def open_picture(self, file: str | None, made: list[str]) -> Iterator[Updates]:
        """Fill the fields in from a PNG that carries its recipe, and draw it again."""
        with told():
            if file is None:
                raise RecipeError("There is no file; drop a PNG that was made here.")
            recipe = _dropped(Path(file)).replace(device=None, versions={})
            self._check(recipe)
            nothing = (gr.skip(),) * 5
            yield (*fields_of(recipe), *nothing)
            kept = (gr.skip(),) * len(fields_of(recipe))
            for updates in self._draw(recipe, made):
                yield (*kept, *updates)

    def rest(self, model: str) -> dict[str, Any]:
        """What the header shows when nothing runs."""
        return status((self.offered.get(model, model), model))

    def leave(self, made: list[str]) -> None:
        """Forget what a person made, when the page has been closed."""
        self.shelf.drop(made)

    def _draw(self, recipe: Recipe, made: list[str]) -> Iterator[Updates]:
        self._check(recipe)
        name = self.offered[recipe.model], recipe.model
        with self.line.place() as ticket:
            while ahead := ticket.wait(LOOK):
                waiting = {"step": 0, "total": 0, "seconds": 0.0, "ahead": ahead}
                yield status(name, waiting), *(gr.skip(),) * 4
            yield from self._drawn(recipe, name, made)

    def _drawn(self, recipe: Recipe, name: tuple[str, str], made: list[str]) -> Iterator[Updates]:
        for event in draw(recipe, self.models, self.sources):
            if isinstance(event, dict):
                yield status(name, event), *(gr.skip(),) * 4
            elif isinstance(event, Edited):
                made, source = self._source(event.source.result, made)
                one = self.shelf.put(event.result, source, event.report)
                yield self._told_of(one, self._noted(one, made))
            else:
                one = self.shelf.put(event, self._before(event.recipe, made))
                yield self._told_of(one, self._noted(one, made))

    def _source(self, result: Result, made: list[str]) -> tuple[list[str], str]:
        """The ids with that of an edit's source among them, and its id."""
        for kept in reversed(self.shelf.kept(made)):
            if kept.recipe == result.recipe:
                return made, kept.id
        one = self.shelf.put(result)
        return self._noted(one, made), one.id

    def _told_of(self, one: Made, made: list[str]) -> Updates:
        """The header at rest, the stage, the history, the seed, and the ids of this session."""
        kept = self.shelf.kept(made)
        return (
            self.rest(one.recipe.model),
            describe(one, self.shelf),
            gr.HTML(cards=[card(each) for each in reversed(kept)], value=one.id),
            str(one.recipe.seed),
            [each.id for each in kept],
        )

    def _noted(self, one: Made, made: list[str]) -> list[str]:
        self.shelf.drop(made[: -(HISTORY - 1)])
        return [*made[-(HISTORY - 1) :], one.id]

    def _before(self, recipe: Recipe, made: list[str]) -> str | None:
        """The picture to compare with: the same without weights, or else the one before."""
        earlier = self.shelf.kept(reversed(made))
        plain = recipe.replace(prompt=without_weights(recipe.prompt), regions=())
        if plain != recipe:
            for one in earlier:
                if one.recipe == plain:
                    return one.id
        same_size = [
            one
            for one in earlier[:1]
            if one.recipe.width == recipe.width and one.recipe.height == recipe.height
        ]
        return same_size[0].id if same_size else None

    def _check(self, recipe: Recipe) -> None:
        """Bounds that the browser keeps to, but nobody else has to."""
        if recipe.model not in self.offered:
            raise RecipeError(
                f"The model {recipe.model!r:.80} is not offered here; choose one of "
                f"{', '.join(self.offered.values())}."
            )
        target = recipe.edit.prompt if recipe.edit else ""
        texts = {"prompt": recipe.prompt, "negative prompt": recipe.negative_prompt}
        for name, text in {**texts, "target prompt": target}.items():
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


def _dropped(file: Path) -> Recipe:
    """The recipe of a file that was sent here; errors name it as the person does."""
    try:
        return read_recipe(file)
    except CrossattnError as error:
        raise InputError(str(error).replace(str(file), file.name)) from error


@contextmanager
def told() -> Iterator[None]:
    """Turn what goes wrong into a sentence that reaches the person."""
    try:
        yield
    except CrossattnError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise gr.Error(
            "There is not enough memory for this picture; choose a smaller size or fewer steps.",
            print_exception=False,
        ) from error
    except gr.Error:
        raise
    except Exception as error:
        logging.getLogger(__name__).exception("a run failed")
        raise gr.Error(
            "Something failed here that is not your doing; the terminal where the page was "
            "started says what. Try again.",
            print_exception=False,
        ) from error
