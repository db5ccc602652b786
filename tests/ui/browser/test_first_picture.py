"""The picture that the page opens with is one of the model that ships, and can be pointed into."""

import base64
import io
import json

from PIL import Image

from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.fields import fields_of
from crossattn.ui.browser.header_panel import is_shipped
from crossattn.ui.browser.parts import STATIC


def test_it_has_its_picture_its_words_and_their_maps_with_it() -> None:
    first = json.loads((STATIC / "first.json").read_text(encoding="utf-8"))
    recipe = Recipe.from_json(first["code"]["Recipe"])
    assert recipe.model == "emoji-sd"
    assert tuple(first["fields"]) == fields_of(recipe)
    data = first["picture"]["url"].removeprefix("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (recipe.width, recipe.height)
    rows, columns = first["grid"]
    stack = first["stack"]
    assert len(base64.b64decode(stack["bytes"])) == rows * columns * len(first["tokens"])
    covers = {word["name"]: word["cover"] for word in first["words"]}
    assert min(covers["car"], covers["balloon"]) > 0.03
    assert covers["left"] == covers["a#1"] == 0


def test_it_is_shown_with_the_model_that_it_is_of_alone() -> None:
    assert is_shipped("emoji-sd")
    assert not is_shipped("somebody/else")
