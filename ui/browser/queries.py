"""What the page asks between pictures: reading the prompt, writing weights, looking into traces."""

from collections.abc import Callable
from typing import Any

import torch

from crossattn.errors import CrossattnError, InputError, RecipeError
from crossattn.pipelines.edit_choices import aligned, usual_windows
from crossattn.pipelines.edit_recipe import EditRecipe
from crossattn.pipelines.emoji_sd import model_path, unknown_words
from crossattn.pipelines.emoji_sd.vocabulary import OBJECTS, vocabulary
from crossattn.pipelines.excited import excited_words
from crossattn.pipelines.export import word_film, word_sheet
from crossattn.pipelines.load import find_model
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result
from crossattn.pipelines.run import run
from crossattn.pipelines.settle import read
from crossattn.pipelines.shipped import SHIPPED
from crossattn.pipelines.snippets import overlays_zip
from crossattn.ui.browser import stacks
from crossattn.ui.browser.alignment_rows import alignment_rows
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models, data_url, from_data_url
from crossattn.ui.browser.model_queue import Queue
from crossattn.ui.browser.model_settings import settings_of
from crossattn.ui.browser.own_picture import look_into, read_own
from crossattn.ui.browser.payload import served
from crossattn.ui.browser.shelf import Shelf
from crossattn.weight_writing import format_weights, with_weights
from crossattn.words import Prompt

Asked = dict[str, Any]
LOOK = 0.5
"""Seconds after which somebody who waits looks at the queue anew."""
SKETCH = 6
"""Steps of a quick look."""


class Queries:
    """Functions that the page's parts call directly; each takes and returns one JSON object.

    What a person can mend comes back as {"problem": sentence}.
    """

    def __init__(self, bounds: Bounds, shelf: Shelf, models: Models, queue: Queue) -> None:
        self.bounds = bounds
        self.shelf = shelf
        self.models = models
        self.queue = queue

    def functions(self) -> list[Callable[[Asked], Asked]]:
        """All of them, as Gradio wants them."""
        asked = self.read, self.known, self.write, self.swap, self.align, self.steps, self.heads
        return [
            _told(one)
            for one in (
                *asked,
                self.overlays,
                self.sheet,
                self.film,
                self.sketches,
                self.quick,
                self.caption,
                self.look,
            )
        ]

    def read(self, asked: Asked) -> Asked:
        """The words of a `prompt`, their weights, and those that the `model` never saw."""
        prompt, notes = self._read(str(asked["prompt"]), asked)
        encoding = prompt.encodings[0]
        own, wrong = self.bounds.folders.named(self._recipe(str(asked["prompt"]), asked))
        new = unknown(prompt.text, str(asked["model"]))
        return {
            "words": [
                {
                    "text": word.text,
                    "name": prompt.name_of(word),
                    "weight": word.weight,
                    "occurrence": word.occurrence,
                }
                for word in prompt.words
            ],
            "things": excited_words((), prompt),
            "tokens": len(encoding.tokens),
            "limit": encoding.limit,
            "notes": [wrong, *notes] if wrong else notes,
            "unknown": {word: near for word, near in new.items() if word.lower() not in own},
        }

    def known(self, asked: Asked) -> Asked:
        """The words that a `model` knows, by kind, and their emoji; none where that is open.

        And the `files` that the page has, by kind: names, and how the `dialect` asks for each.
        """
        model = str(asked["model"])
        files = self.bounds.folders.files(asked.get("dialect") or settings_of(model).dialect)
        if model not in SHIPPED:
            return {"files": files}
        return {"words": vocabulary(), "signs": OBJECTS, "files": files}

    def write(self, asked: Asked) -> Asked:
        """The `prompt` with other `weights`, one for each of its words."""
        prompt, _ = self._read(str(asked["prompt"]), asked)
        return {"prompt": with_weights(prompt, dict(enumerate(map(float, asked["weights"]))))}

    def swap(self, asked: Asked) -> Asked:
        """The `prompt` with `text` in place of its words `first` to `last`; none takes them out.

        `weights` are those of its words; the new ones have that of the first they replace.
        """
        prompt, _ = self._read(str(asked["prompt"]), asked)
        first, last = int(asked["first"]), int(asked["last"])
        start, end = prompt.words[first].span[0], prompt.words[last].span[1]
        text = f"{prompt.text[:start]}{asked['text']}{prompt.text[end:]}"
        plain = format_weights(" ".join(text.split()), ())
        if not plain:
            raise RecipeError("No word would be left: keep at least one.")
        swapped, _ = self._read(plain, asked)
        weights = [float(weight) for weight in asked["weights"]]
        gone = last - first + 1
        new = len(swapped.words) - (len(weights) - gone)
        weights[first : last + 1] = [weights[first]] * new
        return {"prompt": with_weights(swapped, dict(enumerate(weights)))}

    def align(self, asked: Asked) -> Asked:
        """What an edit of `prompt` into `target` keeps, swaps, adds and drops, row by row.

        `windows` are those of words and pixels that the model takes unless the plan has others,
        of a picture of one's `own` or one that it drew.
        """
        model = str(asked["model"])
        source, _ = self._read(str(asked["prompt"]), asked)
        target, _ = self._read(str(asked["target"]), asked)
        spec = EditRecipe(prompt=str(asked["target"]))
        rows = list(alignment_rows(source, target, aligned(source, target, spec)))
        joint = settings_of(model).joint
        cross, share = usual_windows(
            spec, source, target, joint=joint, exists=bool(asked.get("own"))
        )
        windows = {"cross": cross, "share": share}
        return {"rows": rows, "unknown": unknown(target.text, model), "windows": windows}

    def quick(self, asked: Asked) -> Asked:
        """A sketch of a `recipe` (JSON) in few steps: {picture: data URL}; {} if others draw, or of
        one's own picture.

        It makes sure of no word, which would take too long.
        """
        recipe = Recipe.from_json(asked["recipe"]).replace(
            device=None, edit=None, excite=None, versions={}
        )
        if recipe.picture is not None:
            return {}
        prompt, _ = self._read(recipe.prompt, recipe.model_dump())
        weights = dict(enumerate(map(float, asked["weights"])))
        # No picture that is kept: its last bits may depend on how many threads there are.
        sketch = recipe.replace(
            prompt=with_weights(prompt, weights), steps=SKETCH, threads=torch.get_num_threads()
        )
        self.bounds.check(sketch)
        with self.queue.place() as place:
            if place.ahead:
                return {}
            *_, result = run(sketch, pipe=self.models.load(sketch))
        assert isinstance(result, Result)
        return {"picture": data_url(result.image), "steps": SKETCH}

    def overlays(self, asked: Asked) -> Asked:
        """A ZIP of the picture under each word's map: {run}; returns where it is."""
        made = self.shelf.get(asked["run"])
        file = made.picture.with_suffix(".zip")
        if not file.is_file():
            file.write_bytes(
                overlays_zip(read_picture(made.picture), stacks.joined(self.shelf.trace(made)))
            )
        return dict(served(file))

    def sheet(self, asked: Asked) -> Asked:
        """A sheet of the picture and its words' maps: {run}; returns where it is."""
        made = self.shelf.get(asked["run"])
        file = made.picture.with_stem(f"{made.picture.stem}-words")
        if not file.is_file():
            picture, trace = read_picture(made.picture), stacks.joined(self.shelf.trace(made))
            word_sheet(picture, trace, made.recipe, made.sampler).save(file)
        return dict(served(file))

    def film(self, asked: Asked) -> Asked:
        """A film of the picture and its words' maps over the steps: {run}; returns where it is."""
        made = self.shelf.get(asked["run"])
        file = made.picture.with_suffix(".webp")
        if not file.is_file():
            picture, trace = read_picture(made.picture), stacks.joined(self.shelf.trace(made))
            file.write_bytes(word_film(picture, trace, list(map(from_data_url, made.sketches))))
        return dict(served(file))

    def sketches(self, asked: Asked) -> Asked:
        """What a picture looked like after each call of the model: {run}; data URLs."""
        return {"sketches": self.shelf.get(asked["run"]).sketches}

    def caption(self, asked: Asked) -> Asked:
        """What a `picture` (data URL) shows, in words that the `model` knows: {caption}; {} where
        nothing that it knows is seen."""
        if str(asked["model"]) not in SHIPPED:
            return {}
        from crossattn.pipelines.emoji_sd.proposed_caption import propose_caption

        picture = read_own(str(asked["picture"]))
        try:
            return {"caption": propose_caption(picture)}
        except InputError:
            return {}

    def look(self, asked: Asked) -> Asked:
        """The words of a `prompt` found in a `picture` (data URL) by a `model`."""
        model = str(asked["model"])
        caption, _ = self._read(str(asked["prompt"]), asked)
        self.bounds.check(Recipe(prompt=caption.raw, model=model))
        picture = read_own(str(asked["picture"]))
        with self.queue.place() as place:
            while place.wait(LOOK):
                pass
            pipe = self.models.load(Recipe(prompt=caption.raw, model=model))
            return look_into(picture, caption.text, model, pipe)

    def _read(self, text: str, asked: Asked) -> tuple[Prompt, list[str]]:
        """A text as the `model` that is asked for reads it, in the `dialect`, if that is said."""
        recipe = self._recipe(text, asked)
        return read(recipe.prompt, self.models.tokenizers(recipe.model), recipe.notation)

    def _recipe(self, text: str, asked: Asked) -> Recipe:
        model = str(asked["model"])
        self.bounds.check_model(model)
        said = {"dialect": asked["dialect"]} if asked.get("dialect") else {}
        return Recipe(prompt=text, model=model, **said)

    def steps(self, asked: Asked) -> Asked:
        """The maps of each step of a picture: {run, layer, resolution, head}."""
        trace = self.shelf.trace(self.shelf.get(asked["run"]))
        return stacks.steps(trace, asked["layer"], asked["resolution"], asked["head"])

    def heads(self, asked: Asked) -> Asked:
        """The maps of each head of a picture: {run, layer, resolution, step}."""
        trace = self.shelf.trace(self.shelf.get(asked["run"]))
        return stacks.heads(trace, asked["layer"], asked["resolution"], int(asked["step"]))


def unknown(text: str, model: str) -> dict[str, list[str]]:
    """The words that a model never saw, with near ones that it knows; none where that is open."""
    if model not in SHIPPED and find_model(model).folder != model_path():
        return {}
    return unknown_words(text)


def _told(function: Callable[[Asked], Asked]) -> Callable[[Asked], Asked]:
    def answer(asked: Asked) -> Asked:
        try:
            return function(asked)
        except CrossattnError as error:
            return {"problem": str(error)}

    answer.__name__ = function.__name__
    return answer
