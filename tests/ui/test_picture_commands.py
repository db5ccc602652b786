"""`crossattn words` and `crossattn edit` of a picture that exists."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossattn.pipelines.emoji_sd.scenes import make_scene, render
from crossattn.pipelines.picture import read_picture, read_recipe
from crossattn.ui.cli import call

CAPTION, TARGET = "a red car on grass", "a red cat on grass"


@pytest.fixture(autouse=True)
def in_a_folder_with_photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.linspace(0, 255, 90 * 150 * 3).reshape(90, 150, 3).astype(np.uint8)
    photo = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    photo.save("photo.jpg", exif=turned)
    photo.save("photo.png")
    photo.convert("CMYK").save("cmyk.tif")
    photo.convert("RGBA").save("alpha.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save("deep.png")
    Image.new("L", (10, 10)).save("nothing.png")
    Path("text.png").write_text("no picture")
    Image.new("1", (8000, 6000)).save("huge.png")


def edited(folder: Path, *more: str) -> int:
    model = ["--model", str(folder), "--steps", "2", "--size", "64"]
    return call(["edit", *more, *model])


def test_the_words_of_a_photograph_are_written_as_those_of_a_drawing(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["words", "photo.jpg", CAPTION, "--model", str(sd_folder), "-o", "maps", "--json"]
    assert call(asked) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [word["text"] for word in told["words"]] == CAPTION.split()
    # Turned upright by its EXIF, and looked at in its own proportion.
    assert read_picture(Path("maps/picture.png")).size == (64, 80)
    names = {path.name for path in Path("maps").iterdir()}
    assert names == {
        "contact-sheet.png", "picture.png", "recipe.json", "trace.safetensors", "words",
    }  # fmt: skip


def test_a_picture_without_a_caption_gets_one_proposed_and_nothing_is_made_up(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make_scene(7, "fresh")
    Image.fromarray(render(scene).pixels).save("scene.png")
    assert call(["words", "scene.png", "--model", str(sd_folder), "-o", "maps", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "note: no caption was given, and this one is proposed" in err
    named = {word["text"] for word in json.loads(out)["words"]}
    assert {scene.things[0].name} <= named
    Image.new("RGB", (64, 64), "grey").save("grey.png")
    assert call(["words", "grey.png", "--model", str(sd_folder), "-o", "none"]) == 2
    assert "give its caption" in capsys.readouterr().err
    assert not Path("none").exists()


def test_an_edited_photograph_has_its_size_and_is_drawn_again_from_its_recipe(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        edited(sd_folder, "photo.jpg", CAPTION, TARGET, "-o", "cat.png", "--strength", "0.5") == 0
    )
    recipe = read_recipe(Path("cat.png"))
    assert recipe.edit is not None and recipe.picture is not None
    assert (recipe.edit.begin, recipe.picture.method) == (0.5, "direct")
    assert read_picture(Path("cat.png")).size == (90, 150)
    assert call(["replay", "cat.png"]) == 0
    Image.new("RGB", (90, 150)).save("photo.jpg")
    assert "note: the run of the picture takes 0." in capsys.readouterr().err
    assert call(["replay", "cat.png"]) == 2
    assert "is not the picture that the recipe was made with" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["photo.png", "cmyk.tif", "alpha.png", "deep.png"])
def test_a_mask_of_nothing_gives_any_kind_of_picture_as_it_was(sd_folder: Path, name: str) -> None:
    assert edited(sd_folder, name, CAPTION, TARGET, "--mask", "nothing.png", "-o", "same.png") == 0
    assert read_picture(Path("same.png")).tobytes() == read_picture(Path(name)).tobytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jpg", CAPTION, TARGET], "There is no picture nowhere.jpg"),
        (["text.png", CAPTION, TARGET], "is not a picture in a known format"),
        (["photo.jpg", " ", TARGET], "prompt must be a text"),
        (["photo.jpg", "car " * 100, TARGET], "longer than the 75 tokens"),
        (["huge.png", CAPTION, TARGET], "too many pixels"),
        (["photo.jpg", CAPTION], "photo.jpg is a picture: give its caption behind it"),
        ([CAPTION], "alone is no edit"),
        ([CAPTION, TARGET, "--method", "shift"], "--method is for a picture that exists"),
        (["photo.jpg", CAPTION, TARGET, "--method", "magic"], "picture.method must be one of"),
        (["photo.jpg", CAPTION, TARGET, "--method", "flowedit"], "does not fit this model"),
        (["photo.jpg", CAPTION, TARGET, "--strength", "0"], "expected a share above 0"),
        (["photo.jpg", CAPTION, TARGET, "--mask", "nowhere.png"], "There is no picture"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    sd_folder: Path, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path.cwd().rglob("*"))
    assert edited(sd_folder, *arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1
    assert sorted(Path.cwd().rglob("*")) == before
