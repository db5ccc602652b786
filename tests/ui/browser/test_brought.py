"""Pictures that people bring along to edit: kept as long as an edit of them, and no others read."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from crossattn.pipelines.picture import read_picture, read_recipe
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.replay import with_original
from crossattn.pipelines.run import run
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models, data_url
from crossattn.ui.browser.events import Events
from crossattn.ui.browser.shelf import Shelf

NOBODY = {"regions": [], "hold": 1.0, "window": [0, 1]}
NOTHING = {"words": None}


@pytest.fixture
def events(sd_folder: Path) -> Iterator[Events]:
    shelf = Shelf()
    yield Events(Bounds({str(sd_folder): "tiny"}), shelf, Models())
    shelf.close()


def edit(events: Events, picture: dict[str, str], target: str, made: list[str]) -> Any:
    """Edit a picture of one's own, as the page does: what the stage shows, and the ids."""
    [model] = events.bounds.offered
    fields = ("a white ball", "", model, "7", 1, 3.0, "64 × 64", "", "compel")
    *_, last = events.edit(*fields, target, {"picture": picture}, NOBODY, NOTHING, made)
    _, told, _, ids = last
    return told, ids


def files(events: Events) -> list[Path]:
    return [file for file in events.brought.folder.glob("**/*") if file.is_file()]


def test_a_picture_that_was_brought_stays_as_long_as_an_edit_of_it(events: Events) -> None:
    picture = data_url(Image.radial_gradient("L").resize((96, 64)).convert("RGB"))
    told, made = edit(events, {"url": picture}, "a white car", [])
    assert (told["ofOwn"], told["width"], told["height"]) == (True, 96, 64)
    assert len(told["cards"]) == 2 and len(files(events)) == 1
    again, made = edit(events, {"of": told["id"]}, "a white dog", made)
    assert again["ofOwn"] and len(made) == 3 and len(files(events)) == 1
    # Guidance and size are the model's choice for pictures, not what the fields have for drawings.
    assert Recipe.from_json(again["code"]["Recipe"]).guidance != 3.0
    with pytest.raises(gr.Error, match="target prompt is blank"):
        edit(events, {"url": data_url(Image.new("RGB", (64, 64)))}, " ", made)
    assert len(files(events)) == 1
    events.leave(made)
    assert not files(events)


def test_what_is_saved_names_a_picture_as_its_owner_does(events: Events, tmp_path: Path) -> None:
    own = tmp_path / "garden.jpg"
    Image.radial_gradient("L").resize((96, 64)).convert("RGB").save(own)
    url = "data:image/jpeg;base64," + base64.b64encode(own.read_bytes()).decode()
    told, made = edit(events, {"url": url, "name": "../garden.jpg"}, "a white car", [])
    saved = events.shelf.get(told["id"]).picture
    recipe = read_recipe(saved)
    assert recipe.picture is not None and recipe.picture.path == "garden.jpg"
    assert "garden.jpg" in told["code"]["Command line"]
    assert str(events.brought.folder) not in json.dumps(told["code"])
    # The very file was sent, so its owner can draw the edit again.
    beside = tmp_path / "saved.png"
    beside.write_bytes(saved.read_bytes())
    *_, again = run(with_original(recipe, beside))
    assert again.image.tobytes() == read_picture(saved).tobytes()
    # The page knows the picture by its hash, while it is there.
    *_, opened = events.open({"recipe": told["code"]["Recipe"]}, made)
    assert opened[-3]["ofOwn"]


def test_no_file_of_the_servers_is_read_because_a_recipe_names_it(
    events: Events, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "private.png")
    [model] = events.bounds.offered
    asked = Recipe(
        model=model, prompt="a ball", picture={"path": str(tmp_path / "private.png")}
    ).to_json()
    with pytest.raises(gr.Error, match=r"private.png that this is made of is not here"):
        list(events.open({"recipe": asked}, []))
    with pytest.raises(gr.Error, match="is not a picture that can be read"):
        edit(events, {"url": "data:image/png;base64,aGVsbG8="}, "a car", [])
    with pytest.raises(gr.Error, match="is no longer kept here"):
        edit(events, {"of": "nothing"}, "a car", [])
