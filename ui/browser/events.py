"""What happens when a person presses a button: runs, and what the page is told of them."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.brought import Brought
from crossattn.ui.browser.drawing import Drawn, Models, Sources, draw, give_back
from crossattn.ui.browser.dropped import recipe_in
from crossattn.ui.browser.fields import (
    fields_of,
    holding,
    recipe_of,
    with_unshown,
)
from crossattn.ui.browser.header_panel import status
from crossattn.ui.browser.model_choice import ModelChoice
from crossattn.ui.browser.model_queue import Queue
from crossattn.ui.browser.payload import EDIT_FIELDS, card, describe
from crossattn.ui.browser.shelf import Made, Shelf, compared_with
from crossattn.ui.browser.sweeps import swept
from crossattn.ui.browser.told import told

WAITING = 8
"""Pictures that are drawn or wait at a time; whoever comes then is told to try again."""
LOOK = 0.5
"""Seconds after which a person who waits is told anew how many are ahead."""
HISTORY = 40
"""Pictures of a session that are kept here; the browser has the recipes of the others."""

Updates = tuple[Any, ...]
OF_PICTURES = ("width", "height", "scheduler", "guidance")
"""What the picture that is edited, or the model, settles where one exists."""
KEEP = (gr.skip(),) * 3
"""The stage, the seed and the ids of the session as they are."""


class Events:
    """The page's events.

    What lies beyond the `bounds` is drawn for nobody. What goes wrong is raised as `gr.Error`, with
    a sentence for people.
    """

    def __init__(self, bounds: Bounds, shelf: Shelf, models: Models) -> None:
        self.bounds = bounds
        self.shelf = shelf
        self.models = models
        self.brought = Brought(shelf)
        self.sources = Sources()
        self.queue = Queue(WAITING)
        self.choice = ModelChoice(bounds, models, self.queue)
        self._claims: Counter[str] = Counter()

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
        excite: dict[str, Any],
        made: list[str],
    ) -> Iterator[Updates]:
        """Draw the picture that the fields describe.

        `held` is {regions: [{word, mask}], hold, window}, each as in a recipe's regions; those of
        words that the prompt does not have are left out. `excite` is {words: those that must be
        there, as in a recipe}.
        """
        with told():
            recipe = recipe_of(
                prompt, negative, model, seed, steps, guidance, size, scheduler, dialect
            )
            if not keep_seed:
                recipe = recipe.replace(seed=random.randrange(10**6))
            recipe = with_unshown(recipe, self._latest(made))
            yield from self._draw(holding(recipe, held, excite, prompt), made)

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
        excite: dict[str, Any],
        made: list[str],
    ) -> Iterator[Updates]:
        """Edit the picture of the fields into that of `target`.

        `edit` holds {cross, share, blend, protect} as a recipe's edit does, and of a picture of
        one's own `picture`, as `Brought.taken` has it, which settles size and guidance; `held` and
        `excite` are those of `generate`, with the words of either prompt.
        """
        with told(), self.brought.taken(edit.get("picture")) as picture:
            if not target.strip():
                raise RecipeError("The target prompt is blank: write what the picture becomes.")
            source = recipe_of(
                prompt, negative, model, seed, steps, guidance, size, scheduler, dialect
            )
            if picture is not None:
                source = source.replace(picture=picture, **dict.fromkeys(OF_PICTURES))
            known = {name: edit[name] for name in EDIT_FIELDS if name in edit}
            recipe = source.replace(edit={"prompt": target, **known})
            recipe = with_unshown(recipe, self._latest(made))
            yield from self._draw(holding(recipe, held, excite, prompt, target), made)

    def sweep(
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
        asked: dict[str, Any],
        held: dict[str, Any],
        excite: dict[str, Any],
        made: list[str],
    ) -> Iterator[Updates]:
        """Draw a row of pictures: `asked` as `sweeps.swept` has it, the rest as in `generate`."""
        with told():
            recipe = recipe_of(
                prompt, negative, model, seed, steps, guidance, size, scheduler, dialect
            )
            row = list(swept(holding(recipe, held, excite, prompt), asked))
            name = self.bounds.shown(model), model
            shown: list[dict[str, Any]] = []
            for label, one in row:
                for event in self._run(one):
                    if isinstance(event, dict):
                        far = {"of": [len(shown) + 1, len(row)]}
                        yield status(name, {**event, **far}), gr.skip(), made
                    else:
                        drawn = self._put(event, self._before(event.result.recipe, made))
                        made = self._noted(drawn, made)
                        shown.append({"label": label, **card(drawn)})
                yield status(name, {}), {**asked, "shown": list(shown)}, made
            yield self.choice.rest(model), {**asked, "shown": shown, "done": True}, made

    def open(self, asked: dict[str, Any], made: list[str]) -> Iterator[Updates]:
        """Bring a picture back, with its fields: {recipe: JSON, id, fields}.

        What is no longer kept under that id is drawn again. `fields`, in the order of `fields_of`,
        are what somebody had set since: they stand from the first, whatever comes of the picture.
        """
        with told():
            fields = asked.get("fields") or ()
            stay = (gr.skip(),) * len(fields)
            if fields:
                prompt, negative, name, *others = fields
                model = self.choice.chosen(name) if name in self.bounds.offered else gr.skip()
                yield (prompt, negative, model, *others, gr.skip(), *KEEP)
            if "recipe" not in asked:
                return
            recipe = Recipe.from_json(asked["recipe"]).replace(device=None, versions={})
            for *shown, header, stage, seed, ids in self._opened(recipe, made, asked.get("id", "")):
                yield (*(stay or shown), header, stage, gr.skip() if fields else seed, ids)
            if fields and name in self.bounds.offered:
                yield (*stay, self.choice.rest(name), *KEEP)

    def open_picture(self, file: str | None, made: list[str]) -> Iterator[Updates]:
        """Fill the fields in from a picture that carries its recipe, and draw it again.

        One by another program is taken over, and what could not be is told.
        """
        with told():
            if file is None:
                raise RecipeError("There is no file; drop a PNG that was made here.")
            recipe, left = recipe_in(Path(file))
            recipe = recipe.replace(device=None, versions={})
            if left:
                gr.Warning(left, duration=None)
            yield from self._opened(recipe, made)

    def leave(self, made: list[str]) -> None:
        """Forget what a person made, when the page has been closed and no other has it open."""
        for key in made:
            self._claims[key] -= 1
            if self._claims[key] <= 0:
                del self._claims[key]
                self.shelf.drop([key])
        self.brought.tidy()

    def _latest(self, made: list[str]) -> list[Recipe]:
        """The recipes of a person's pictures, the last first."""
        return [one.recipe for one in self.shelf.kept(reversed(made))]

    def _opened(self, recipe: Recipe, made: list[str], key: str = "") -> Iterator[Updates]:
        self.choice.admit(recipe.model)
        self.bounds.check(recipe)
        fields = self._fields(recipe)
        # What it leaves to the model is known, and shown, once it is drawn.
        open_choices = None in (recipe.steps, recipe.guidance, recipe.width, recipe.height)
        if open_choices:
            fields = (gr.skip(),) * len(fields)
        for one in self.shelf.kept([key]):
            yield (*fields, *self._told_of(one, self._noted(one, made)))
            return
        yield (*fields, gr.skip(), *KEEP)
        kept = (gr.skip(),) * len(fields)
        for updates in self._draw(recipe, made):
            drawn = self.shelf.kept(updates[-1][-1:]) if isinstance(updates[-1], list) else []
            shown = self._fields(drawn[0].recipe) if open_choices and drawn else kept
            yield (*shown, *updates)

    def _fields(self, recipe: Recipe) -> tuple[Any, ...]:
        """The values of the fields, and the list of models where that has grown."""
        prompt, negative, model, *others = fields_of(recipe)
        return prompt, negative, self.choice.chosen(model), *others

    def _draw(self, recipe: Recipe, made: list[str]) -> Iterator[Updates]:
        for event in self._run(recipe):
            if isinstance(event, dict):
                yield status((self.bounds.shown(recipe.model), recipe.model), event), *KEEP
            else:
                yield self._finished(event, made)

    def _run(self, recipe: Recipe) -> Iterator[dict[str, Any] | Drawn]:
        """Wait for the model, then draw: {step, total, seconds, ...}, then what came of it."""
        self.bounds.check(recipe)
        recipe = self.bounds.folders.given(self.brought.found(recipe))
        with self.queue.place() as place:
            while ahead := place.wait(LOOK):
                yield {"step": 0, "total": 0, "seconds": 0.0, "ahead": ahead}
            drawn = None
            try:
                for event in draw(recipe, self.models, self.sources):
                    if isinstance(event, Drawn):
                        drawn = event
                    else:
                        yield event
            finally:
                give_back()
        if drawn is not None:
            yield drawn

    def _finished(self, drawn: Drawn, made: list[str]) -> Updates:
        if drawn.edited is None:
            one = self._put(drawn, self._before(drawn.result.recipe, made))
            return self._told_of(one, self._noted(one, made))
        source = self.shelf.of(drawn.edited.source.result, reversed(made))
        one = self._put(drawn, source.id)
        return self._told_of(one, self._noted(one, self._noted(source, made)), source)

    def _put(self, drawn: Drawn, before: str | None) -> Made:
        report = drawn.edited.report if drawn.edited else None
        return self.shelf.put(drawn.result, before, report, drawn.sketches)

    def _told_of(self, one: Made, made: list[str], *also: Made) -> Updates:
        """The header at rest, the stage, the seed, and the ids of this person's pictures."""
        told_of = describe(one, self.shelf, also)
        return self.choice.rest(one.recipe.model), told_of, str(one.recipe.seed), made

    def _noted(self, one: Made, made: list[str]) -> list[str]:
        """The ids of a session with that of `one` last; the oldest picture goes if it is full."""
        ids = [key for key in made if key != one.id] + [one.id]
        # After a refresh two sessions have a picture for a while: that left behind, and the new.
        self._claims[one.id] += one.id not in made
        self.leave(ids[:-HISTORY])
        return ids[-HISTORY:]

    def _before(self, recipe: Recipe, made: list[str]) -> str | None:
        """The id of the picture to compare with, among those of a session."""
        before = compared_with(recipe, self.shelf.kept(reversed(made)))
        return before.id if before else None
