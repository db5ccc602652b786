"""`crossattn edit`, and `crossattn explain` of an edit."""

import json
from pathlib import Path
from typing import Any

import pytest

from crossattn.controls.blend import THRESHOLDS
from crossattn.controls.support.window import CROSS_WINDOW
from crossattn.pipelines.picture import read_picture, read_recipe
from crossattn.pipelines.replay import compare
from crossattn.ui.cli import call

SOURCE, TARGET = "a red car on grass", "a red balloon on grass"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_an_edit_writes_both_pictures_the_sheet_the_mask_and_the_recipe(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["edit", SOURCE, TARGET, "--model", str(sd_folder), "--steps", "3"]
    assert call([*arguments, "--share", "0-0.5", "-o", "boat"]) == 0
    files = {path.name for path in Path("boat").iterdir()}
    assert files == {"edited.png", "source.png", "sheet.png", "mask.png", "recipe.json"}
    recipe = read_recipe(Path("boat/edited.png"))
    assert recipe.edit is not None
    assert (recipe.prompt, recipe.edit.prompt, recipe.edit.share) == (SOURCE, TARGET, (0.0, 0.5))
    assert read_recipe(Path("boat/source.png")).edit is None
    text = capsys.readouterr().out
    assert "balloon" in text and "car" in text
    assert "Replace: " in text and "LocalBlend: " in text


def test_an_edit_that_changes_nothing_says_so(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["edit", SOURCE, SOURCE, "--model", str(sd_folder), "--steps", "1", "-o", "x.png"]
    assert call(arguments) == 0
    assert "note: no pixel changed" in capsys.readouterr().err


def test_every_choice_of_an_edit_has_an_option(sd_folder: Path) -> None:
    arguments = ["edit", SOURCE, TARGET, "--model", str(sd_folder), "--steps", "3", "-o", "x.png"]
    arguments += ["--word", "balloon=0.4-0.8", "--word", "red=0.5", "--begin", "0.4"]
    arguments += ["--threshold", "0", "--region", "car=0,0,0.5,1"]
    assert call(arguments) == 0
    recipe = read_recipe(Path("x.png"))
    assert recipe.edit is not None
    assert recipe.edit.words == {"balloon": (0.4, 0.8), "red": (0.0, 0.5)}
    assert (recipe.edit.begin, recipe.edit.threshold) == (0.4, 0.0)
    assert [(one.word, one.mask[0]) for one in recipe.regions] == [("car", "#" * 32 + "." * 32)]


def test_an_edited_picture_is_drawn_again_from_its_recipe(sd_folder: Path) -> None:
    arguments = ["edit", SOURCE, TARGET, "--model", str(sd_folder), "--steps", "2"]
    assert call([*arguments, "-o", "boat.png"]) == 0
    assert call(["replay", "boat.png", "-o", "again.png"]) == 0
    different, _ = compare(read_picture(Path("boat.png")), read_picture(Path("again.png")))
    assert different == 0


def test_the_report_of_an_edit_is_printed_as_json(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["edit", SOURCE, "a red car on (grass:1.5)", "--model", str(sd_folder)]
    arguments += ["--dialect", "attention"]
    assert call([*arguments, "--steps", "3", "-o", "x.png", "--json"]) == 0
    report = printed(capsys)
    assert report["report"]["mode"] == "refine"
    assert report["report"]["mask"] is None
    grass = report["words"][-1]
    assert (grass["text"], grass["weight"]) == ("grass", 1.5)
    assert grass["mass"] == pytest.approx(1.5 * grass["had"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cross", "much"], "is not a window"),
        (["--cross", "0.8-0.2"], "edit.cross must be two shares"),
        (["--within", "boat"], 'no "boat"'),
        (["--protect", "grass", "--no-blend"], "protect only with blend"),
        (["--mode", "swap"], "edit.mode must be replace, refine"),
        (["--word", "balloon"], "is not a word with a window"),
        (["--word", "boat=0.5"], 'no "boat"'),
        (["--begin", "1"], "edit.begin must be a share of the schedule"),
        (["--region", "car"], "is not a region"),
        (["--region", "car=0.5,0,0.5,1"], "expected left < right"),
        (["--region", "car=none.png"], "There is no picture none.png"),
        (["--region", "boat=0,0,1,1"], 'no "boat"'),
    ],
)
def test_what_cannot_be_edited_is_told_in_one_sentence(
    options: list[str], sentence: str, sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["edit", SOURCE, TARGET, "--model", str(sd_folder), "--steps", "2", *options]
    assert call(arguments) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("out").exists()


def test_explain_shows_what_each_kind_of_edit_takes_from_where(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["explain", SOURCE, "a balloon on the grass", "--model", str(sd_folder)]) == 0
    text = capsys.readouterr().out
    assert "red 100%, car 100%" in text
    assert "(its own)" in text
    assert "An edit would replace by default." in text


def test_explain_of_an_edit_prints_its_pairs_as_json(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", "a car on grass", "a red balloon on the grass"]
    assert call([*arguments, "--model", str(sd_folder), "--json"]) == 0
    explained = printed(capsys)
    assert explained["mode"] == "replace"
    assert explained["unmatched"] == ["the"]
    assert {"target": "red", "source": ["car"], "weights": [0.25]} in explained["pairs"]
    assert {"target": "grass", "source": ["grass"], "weights": [1.0]} in explained["pairs"]


def test_the_help_tells_what_an_edit_is_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["edit", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for name, value in (("cross", CROSS_WINDOW.end), ("threshold", THRESHOLDS["words"])):
        assert f"[default: {value:g}, " in told.split(f"--{name} ")[1].split(" --")[0]
