"""What the page asks between pictures: reading the prompt, writing weights, looking into traces."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from crossattn.errors import CrossattnError
from crossattn.pipelines.emoji_sd import model_path, unknown_words
from crossattn.pipelines.load import EMBEDDED, find_model, load_tokenizers
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import read
from crossattn.ui.browser import stacks
from crossattn.ui.browser.shelf import Shelf
from crossattn.words import Prompt, with_weights

Asked = dict[str, Any]


class Desk:
    """Functions that the page's parts call directly; each takes and returns one JSON object.

    What a person can mend comes back as {"problem": sentence}.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def functions(self) -> list[Callable[[Asked], Asked]]:
        """All of them, as Gradio wants them."""
        return [_told(one) for one in (self.read, self.write, self.steps, self.heads)]

    def read(self, asked: Asked) -> Asked:
        """The words of a `prompt`, their weights, and those that the `model` never saw."""
        prompt, notes = _read(str(asked["prompt"]), str(asked["model"]))
        encoding = prompt.encodings[0]
        return {
            "words": [
                {"text": word.text, "weight": word.weight, "occurrence": word.occurrence}
                for word in prompt.words
            ],
            "tokens": len(encoding.tokens),
            "limit": encoding.limit,
            "notes": notes,
            "unknown": unknown(prompt.text, str(asked["model"])),
        }

    def write(self, asked: Asked) -> Asked:
        """The `prompt` with other `weights`, one for each of its words."""
        prompt, _ = _read(str(asked["prompt"]), str(asked["model"]))
        return {"prompt": with_weights(prompt, dict(enumerate(map(float, asked["weights"]))))}

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
    if model != EMBEDDED and find_model(model).folder != model_path():
        return {}
    return unknown_words(text)


def _read(text: str, model: str) -> tuple[Prompt, list[str]]:
    Recipe(prompt=text, model=model)
    return read(text, _tokenizers(model))


@lru_cache(maxsize=4)
def _tokenizers(model: str) -> dict[str, Any]:
    return load_tokenizers(model)


def _told(function: Callable[[Asked], Asked]) -> Callable[[Asked], Asked]:
    def answer(asked: Asked) -> Asked:
        try:
            return function(asked)
        except CrossattnError as error:
            return {"problem": str(error)}

    answer.__name__ = function.__name__
    return answer
