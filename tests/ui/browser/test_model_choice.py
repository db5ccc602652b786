"""A model of one's own: named on the page, loaded with progress, refused in a sentence."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
import pytest

from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser import model_choice
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models
from crossattn.ui.browser.events import Events
from crossattn.ui.browser.shelf import Shelf


def test_a_folder_is_loaded_and_chosen_and_comes_back(person: Any, sd_folder: Path) -> None:
    page = person.page
    page.click("#model-own")
    person.see("#model-name").to_be_focused()
    page.fill("#model-name", "no/such folder")
    page.keyboard.press("Enter")
    person.is_told("There is no model 'no/such folder': expected")
    person.rest()
    person.see("#status").to_have_text("emoji-sd ready")
    page.fill("#model-name", f"  {sd_folder}")
    page.keyboard.press("Enter")
    person.see("#status").to_have_text(f"{sd_folder.name} ready")
    person.see("#model input").to_have_value(sd_folder.name)
    person.see("#size input").to_have_value("64 × 64")
    person.see("#model-own").to_be_focused()
    person.write("a red car", steps=1).generate()
    assert json.loads(person.code("Recipe"))["model"] == str(sd_folder)
    page.reload()
    person.arrive().wait()
    person.see("#model input").to_have_value(sd_folder.name)


@pytest.fixture
def events() -> Iterator[Events]:
    shelf = Shelf()
    yield Events(Bounds({"emoji-sd": "emoji-sd"}, own=True), shelf, Models())
    shelf.close()


def brought(events: Events, name: object) -> list[Any]:
    return list(events.choice.bring({"model": name}, "emoji-sd"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "model must be"),
        ("/no/where", "There is no model"),
        ("model.ckpt", "named like a pickle"),
        ("owner/name", "the hub is switched off"),
        ("{folder}", "not a model folder: expected model_index.json"),
        ("{folder}/a.safetensors", "needs its configuration"),
        ("{folder}/flux", "has no transformer: its model_index.json must name one"),
    ],
)
def test_what_cannot_be_loaded_is_told_and_offered_to_nobody(
    events: Events, tmp_path: Path, name: str, told: str
) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"")
    (tmp_path / "flux").mkdir()
    (tmp_path / "flux" / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(gr.Error, match=told):
        brought(events, name.format(folder=tmp_path))
    assert events.bounds.offered == {"emoji-sd": "emoji-sd"}


def test_how_far_it_is_is_told_and_one_is_loaded_at_a_time(
    events: Events, sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_choice, "LOOK", 0.01)
    may, load = Event(), events.models.load
    monkeypatch.setattr(events.models, "load", lambda one: load(one) if may.wait(60) else None)
    loading = events.choice.bring({"model": str(sd_folder)}, "emoji-sd")
    header, *_ = next(loading)
    assert header["model"] == "emoji-sd", "the model that was chosen, until the other is there"
    assert header["busy"]["says"].startswith(("Looking for", f"Loading {sd_folder.name}"))
    with pytest.raises(gr.Error, match="Another model is being loaded"):
        brought(events, str(sd_folder))
    may.set()
    *_, last = loading
    assert last[-1] == {"model": str(sd_folder), "done": True}
    assert last[0]["name"] == sd_folder.name


def test_where_models_are_the_operators_choice_nobody_brings_one(
    events: Events, sd_folder: Path
) -> None:
    events = Events(Bounds({"emoji-sd": "emoji-sd"}), events.shelf, events.models)
    with pytest.raises(gr.Error, match="is not offered here; choose one of emoji-sd"):
        brought(events, str(sd_folder))
    recipe = Recipe(prompt="a car", model=str(sd_folder)).to_json()
    with pytest.raises(gr.Error, match="is not offered here"):
        list(events.open({"recipe": recipe}, []))
    folder = Recipe(prompt="a car <lora:pastel>", loras=str(sd_folder)).to_json()
    with pytest.raises(gr.Error, match=r"names a folder of its own \(loras\), and none is read"):
        list(events.open({"recipe": folder}, []))
