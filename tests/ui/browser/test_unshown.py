"""Pictures that were made elsewhere and are opened here, and fields that are not filled in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image, PngImagePlugin

from crossattn.errors import RecipeError
from crossattn.pipelines.export import write_picture
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.drawing import Models
from crossattn.ui.browser.events import Events
from crossattn.ui.browser.fields import recipe_of, with_unshown
from crossattn.ui.browser.make_panel import MOST_GUIDANCE
from crossattn.ui.browser.payload import served
from crossattn.ui.browser.shelf import Shelf

SIZE = {"width": 64, "height": 64, "steps": 2, "guidance": 1.0}
EDIT = {"prompt": "a blue car", "begin": 0.5, "threshold": 0.6, "words": {"blue": (0.1, 0.9)}}
HELD = {"regions": [], "hold": 1, "window": [0, 1]}


@pytest.fixture
def events() -> Iterator[Events]:
    shelf = Shelf()
    yield Events(Bounds({"emoji-sd": "emoji-sd"}), shelf, Models())
    shelf.close()


def fields(recipe: Recipe) -> tuple[Any, ...]:
    return (
        *(recipe.prompt, recipe.negative_prompt, recipe.model, str(recipe.seed), recipe.steps),
        *(recipe.guidance, f"{recipe.width} × {recipe.height}", "", recipe.dialect),
    )


def opened(events: Events, recipe: Recipe, folder: Path) -> list[tuple[Any, ...]]:
    *_, done = run(recipe)
    assert isinstance(done, Result)
    file = write_picture(done, folder / "picture.png")
    return list(events.open_picture(str(file), []))


def test_an_edit_that_was_opened_is_drawn_again_as_it_was(events: Events, tmp_path: Path) -> None:
    recipe = Recipe(prompt="a red car", edit=EDIT, dtype="bfloat16", **SIZE)
    made = opened(events, recipe, tmp_path)[-1][-1]
    *_, last = events.edit(*fields(recipe), "a (blue:1.5) car", {}, HELD, {"words": None}, made)
    again = events.shelf.get(last[-1][-1]).recipe
    assert again.dtype == "bfloat16"
    assert again.edit and again.edit.prompt == "a (blue:1.5) car"
    assert (again.edit.begin, again.edit.threshold) == (0.5, 0.6)
    assert again.edit.words == EDIT["words"]


def test_other_words_are_drawn_as_the_page_says() -> None:
    earlier = [Recipe(prompt="a red car", dtype="bfloat16"), Recipe(prompt="a cat")]
    for other in (Recipe(prompt="a cat"), Recipe(prompt="a dog"), Recipe(prompt="a red car")):
        again = with_unshown(other, earlier)
        assert again.dtype == ("bfloat16" if other.prompt == "a red car" else "float32")


def test_choices_left_open_are_shown_once_they_are_known(events: Events, tmp_path: Path) -> None:
    recipe = Recipe(prompt="a red car", **{**SIZE, "steps": 1})
    told = opened(events, recipe, tmp_path)
    assert told[0][6] == "64 × 64"
    open_choices = Recipe(prompt="a red car", steps=1, guidance=1.0)
    *_, last = events.open({"recipe": open_choices.to_json()}, [])
    assert last[6] == "128 × 128"
    first, *_ = events.open({"recipe": open_choices.to_json()}, [])
    assert first[6] == gr.skip()


def test_as_much_guidance_as_the_command_line_takes_is_drawn_here(
    events: Events, tmp_path: Path
) -> None:
    strong = Recipe(prompt="a red car", **{**SIZE, "guidance": 50.0})
    assert opened(events, strong, tmp_path)[0][5] == 50.0
    field = gr.Slider(0, MOST_GUIDANCE)
    assert field.preprocess(50.0) == 50.0


@pytest.mark.parametrize(("steps", "guidance"), [(None, 4.0), (3, None), (3.5, 4.0)])
def test_fields_that_are_not_filled_in_are_told(
    steps: float | None, guidance: float | None
) -> None:
    with pytest.raises(RecipeError, match="The steps must be a whole number and the guidance"):
        recipe_of("a", "", "emoji-sd", "0", steps, guidance, "64 × 64", "", "compel")


def test_a_picture_by_another_program_is_taken_over_and_what_is_not_is_told(
    events: Events, tmp_path: Path
) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text(
        "parameters",
        "a [red:blue:0.5] (car:1.2) <lora:pastel:0.7>\nNegative prompt: dog\n"
        "Steps: 2, Sampler: Euler a, CFG scale: 1.0, Seed: 5, Size: 64x64, Clip skip: 2",
    )
    Image.new("RGB", (8, 8)).save(tmp_path / "theirs.png", pnginfo=info)
    with pytest.warns(UserWarning, match="from AUTOMATIC1111: Clip skip: 2; <lora:pastel:0.7> of"):
        filled, *_, last = events.open_picture(str(tmp_path / "theirs.png"), [])
    recipe = events.shelf.get(last[-1][-1]).recipe
    assert (recipe.prompt, recipe.dialect) == ("a [red:blue:0.5] (car:1.2)", "a1111")
    assert (recipe.negative_prompt, recipe.seed, recipe.scheduler) == ("dog", 5, "euler-a")
    assert filled[0] == recipe.prompt
    *_, again = events.generate(*fields(recipe), True, HELD, {"words": None}, last[-1])
    assert events.shelf.get(again[-1][-1]).recipe.prompt == recipe.prompt


def test_a_picture_without_settings_is_told(events: Events, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(gr.Error, match=r"^.?plain.png carries no recipe"):
        list(events.open_picture(str(tmp_path / "plain.png"), []))


def test_pictures_in_a_folder_of_any_name_are_found_by_the_browser() -> None:
    where = served(Path("/tmp/a #1?%/picture.png"))
    assert where["url"] == "gradio_api/file=/tmp/a%20%231%3F%25/picture.png"
