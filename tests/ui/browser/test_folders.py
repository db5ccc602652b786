"""LoRAs and textual inversions of the page's folders: asked for by name, listed, missed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from crossattn.errors import InputError, RecipeError
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models
from crossattn.ui.browser.events import Events
from crossattn.ui.browser.folders import Folders
from crossattn.ui.browser.queries import Queries
from crossattn.ui.browser.shelf import Shelf

pytestmark = pytest.mark.slow

HELD = {"regions": [], "hold": 1.0, "window": [0, 1]}
LAYER = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q"


@pytest.fixture(scope="module")
def folders(sd_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A LoRA called ink, below its folder, and a textual inversion called wobble."""
    place = tmp_path_factory.mktemp("files")
    for folder in ("loras/pens", "embeddings"):
        (place / folder).mkdir(parents=True)
    pipe: Any = load(str(sd_folder))
    layer = pipe.unet.get_submodule(LAYER.removeprefix("unet."))
    torch.manual_seed(0)
    down, up = torch.randn(2, layer.in_features), torch.randn(layer.out_features, 2)
    weights = {f"{LAYER}.lora_A.weight": down, f"{LAYER}.lora_B.weight": up}
    save_file(weights, place / "loras/pens/ink.safetensors")
    wide = pipe.text_encoder.config.hidden_size
    save_file({"emb_params": torch.randn(2, wide)}, place / "embeddings/wobble.safetensors")
    return Folders(str(place / "loras"), str(place / "embeddings"))


@pytest.fixture
def events(sd_folder: Path, folders: Folders) -> Iterator[Events]:
    shelf = Shelf()
    yield Events(Bounds({str(sd_folder): "tiny"}, folders=folders), shelf, Models())
    shelf.close()


@pytest.fixture
def queries(events: Events) -> Queries:
    return Queries(events.bounds, events.shelf, events.models, events.queue)


def drawn(events: Events, prompt: str) -> tuple[Recipe, bytes]:
    """The recipe of a picture drawn on the page, and its pixels."""
    [model] = events.bounds.offered
    fields = (prompt, "", model, "7", 2, 2.0, "64 × 64", "", "compel", True)
    *_, (_, told, *_) = events.generate(*fields, HELD, {"words": None}, [])
    picture = events.shelf.get(told["id"]).picture
    return Recipe.from_json(told["code"]["Recipe"]), Image.open(picture).convert("RGB").tobytes()


def test_a_prompt_asks_for_files_of_the_pages_folders_and_its_recipe_says_so(
    events: Events, folders: Folders
) -> None:
    plain, pixels = drawn(events, "a red car")
    assert (plain.loras, plain.embeddings) == (None, None)
    inked, other = drawn(events, "a red car <lora:ink:1>")
    assert (inked.loras, inked.embeddings) == (folders.loras, None)
    assert other != pixels
    bent, third = drawn(events, "a wobble car")
    assert (bent.loras, bent.embeddings) == (None, folders.embeddings)
    assert len({pixels, other, third}) == 3
    *_, opened = events.open({"recipe": inked.to_json()}, [])
    assert Recipe.from_json(opened[-3]["code"]["Recipe"]) == inked


def test_another_folder_is_not_read_because_a_recipe_names_it(
    events: Events, tmp_path: Path
) -> None:
    [model] = events.bounds.offered
    for name in ("loras", "embeddings"):
        recipe = Recipe(prompt="a red car", model=model, **{name: str(tmp_path)})
        with pytest.raises(gr.Error, match="names a folder of its own"):
            list(events.open({"recipe": recipe.to_json()}, []))
        with pytest.raises(RecipeError, match="names a folder of its own"):
            events.bounds.check(recipe)


def test_what_there_is_is_listed_as_a_prompt_asks_for_it(queries: Queries) -> None:
    [model] = queries.bounds.offered
    listed = queries.known({"model": model, "dialect": "comfy"})["files"]
    assert listed == {
        "LoRAs": {"pens/ink": "<lora:pens/ink:1>"},
        "textual inversions": {"wobble": "embedding:wobble"},
    }
    in_words = queries.known({"model": model, "dialect": "compel"})["files"]
    assert in_words["textual inversions"] == {"wobble": "wobble"}


def test_a_file_that_is_not_there_is_told_while_the_prompt_is_typed(queries: Queries) -> None:
    [model] = queries.bounds.offered
    read = queries.read({"prompt": "a red <lora:inc:0.8> car", "model": model})
    assert "did you mean" in read["notes"][0]
    assert [word["text"] for word in read["words"]] == ["a", "red", "car"]
    queries.bounds = replace(queries.bounds, folders=Folders())
    (note, *_) = queries.read({"prompt": "a <lora:ink:1> car", "model": model})["notes"]
    assert "--loras" in note


def test_a_name_of_a_textual_inversion_is_no_unknown_word(
    queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "crossattn.ui.browser.queries.unknown", lambda *_: {"wobble": [], "wubble": []}
    )
    [model] = queries.bounds.offered
    read = queries.read({"prompt": "a wobble wubble", "model": model})
    assert list(read["unknown"]) == ["wubble"]


@pytest.mark.parametrize("name", ["loras", "embeddings"])
def test_a_folder_that_is_not_there_is_told_before_the_page_opens(
    name: str, tmp_path: Path
) -> None:
    for folder in (str(tmp_path / "nowhere"), "~nobody/nowhere"):
        with pytest.raises(InputError, match=f"--{name} .*nowhere: there is no such folder"):
            Folders(**{name: folder})
