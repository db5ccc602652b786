import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossattn import Trace
from crossattn.coverage import MEANING
from crossattn.pipelines.picture import read_picture, read_recipe
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.cli import call
from crossattn.ui.option_values import parse_size

PROMPT = "a red balloon and a dog"
COMMANDS = ("heatmap", "generate", "edit", "explain", "compare", "replay", "batch", "models")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def drawn(sd_folder: Path, in_an_empty_folder: Path) -> Path:
    arguments = ["generate", PROMPT, "--model", str(sd_folder), "--steps", "2", "-o", "cat.png"]
    assert call(arguments) == 0
    return in_an_empty_folder / "cat.png"


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def everything(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in files}


def test_help_names_every_command_and_shows_how_to_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert 'crossattn heatmap "' in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_commands_help_gives_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"crossattn {command}" in text.split("Usage:")[1].split("\n", 1)[1]
    assert "--json" in text


@pytest.mark.parametrize("command", ["generate", "heatmap", "edit", "compare"])
def test_whatever_draws_has_the_same_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call([command, "--help"]) == 0
    text = capsys.readouterr().out
    names = "seed steps guidance size negative-prompt scheduler region excite every-word dialect"
    names += " model revision config device dtype threads output json"
    assert [name for name in names.split() if f"--{name} " not in text] == []


def test_the_version_and_the_schema_of_a_recipe_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(["--version"]) == 0
    assert capsys.readouterr().out.count(".") >= 2
    assert call(["--schema"]) == 0
    assert "prompt" in printed(capsys)["properties"]


def test_generate_writes_a_picture_that_carries_its_recipe(
    sd_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = "--seed 7 --steps 2 --guidance 3 --size 96x64 --scheduler euler --dtype bfloat16"
    code = call(["generate", PROMPT, "--model", str(sd_folder), *arguments.split()])
    assert code == 0
    path = tmp_path / "out" / "a-red-balloon-and-a-dog-seed7.png"
    assert everything(tmp_path) == {"out/a-red-balloon-and-a-dog-seed7.png"}
    recipe = read_recipe(path)
    assert (recipe.seed, recipe.steps, recipe.guidance) == (7, 2, 3.0)
    assert (recipe.width, recipe.height) == read_picture(path).size == (96, 64)
    assert (recipe.scheduler, recipe.dtype) == ("euler", "bfloat16")
    out = capsys.readouterr().out
    assert "balloon" in out
    assert MEANING in out
    assert re.search(r"\d+% of all attention rests on no word", out)
    assert str(path.relative_to(tmp_path)) in out


def test_words_are_held_to_a_box(sd_folder: Path, tmp_path: Path) -> None:
    arguments = ["generate", "a red dog", "--model", str(sd_folder), "--steps", "1"]
    path = tmp_path / "held.png"
    assert call([*arguments, "--region", "red dog=0,0,1,0.5", "-o", str(path)]) == 0
    (region,) = read_recipe(path).regions
    assert (region.word, region.mask[0][0], region.mask[-1][0]) == ("red dog", "#", ".")


def test_generate_never_writes_over_a_picture(sd_folder: Path, tmp_path: Path) -> None:
    for _ in range(3):
        arguments = ["generate", "a dog", "--model", str(sd_folder), "--steps", "1"]
        assert call([*arguments, "--output", "dog.png"]) == 0
    assert everything(tmp_path) == {"dog.png", "dog-2.png", "dog-3.png"}


def test_generate_prints_one_json_object(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["generate", PROMPT, "--model", str(sd_folder), "--steps", "1", "--json"]) == 0
    data = printed(capsys)
    words = ["words", "negative_words", "passages"]
    assert list(data) == ["image", "recipe", "model", "seconds", *words, "files"]
    assert data["files"] == [data["image"]]
    assert data["model"] == str(sd_folder)
    assert Recipe.from_json(json.dumps(data["recipe"])) == read_recipe(Path(data["image"]))
    assert [list(word) for word in data["words"]] == [
        ["text", "occurrence", "tokens", "cover", "mass"]
    ] * 6
    assert data["words"][2]["text"] == "balloon"
    assert data["words"][2]["tokens"] == [3, 4, 5]


def test_generate_tells_of_every_prompt_and_of_weights_in_the_negative_one(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["generate", "a [red:blue:0.5] car", "--negative-prompt", "(grass:1.4), dog"]
    asked += ["--model", str(sd_folder), "--steps", "2", "--guidance", "3"]
    assert call([*asked, "--json"]) == 0
    data = printed(capsys)
    assert [word["text"] for word in data["negative_words"]] == ["grass", "dog"]
    told = [(part["text"], part["steps"], part["weight"]) for part in data["passages"]]
    assert told == [("a red car", [0], 1.0), ("a blue car", [1], 1.0)]
    assert call(asked) == 0
    out = capsys.readouterr().out
    assert "a red car: step 1" in out
    assert "a blue car: step 2" in out
    assert "negative prompt" in out


@pytest.mark.slow
def test_heatmap_writes_everything_that_there_is_to_see(
    sd_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = ["--model", str(sd_folder)]
    assert call(["heatmap", PROMPT, *model, "--steps", "3", "-o", "maps", "--json"]) == 0
    words = ("01-a", "02-red", "03-balloon", "04-and", "05-a", "06-dog")
    expected = {f"maps/words/{word}.png" for word in words} | {
        f"maps/{name}"
        for name in (
            "picture.png",
            "contact-sheet.png",
            "film.webp",
            "trace.safetensors",
            "recipe.json",
        )
    }
    assert everything(tmp_path) == expected
    data = printed(capsys)
    assert set(data["files"]) == expected
    assert data["image"] == "maps/picture.png"
    assert Recipe.from_json(Path("maps/recipe.json").read_text()) == read_recipe(
        Path("maps/picture.png")
    )
    trace = Trace.load("maps/trace.safetensors")
    assert trace["balloon"].data.shape == (8, 8)
    assert trace["balloon"].mass == pytest.approx(data["words"][2]["mass"])
    with Image.open("maps/film.webp") as film:
        assert film.n_frames == 4  # type: ignore[attr-defined]
    with Image.open("maps/words/03-balloon.png") as overlay:
        assert overlay.size == (384, 384)
        assert np.asarray(overlay).std() > 0


@pytest.mark.slow
def test_heatmap_shows_the_words_of_a_long_prompt_to_the_last(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = "a dog and " * 30 + "a balloon"
    model = ["--model", str(sd_folder), "--steps", "1"]
    assert call(["heatmap", prompt, *model, "--json", "-o", "maps"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["words"]) == len(list(Path("maps/words").iterdir())) == 92
    assert not [line for line in err.splitlines() if line.startswith("note: ")]


@pytest.mark.slow
def test_heatmap_draws_the_picture_that_generate_draws(sd_folder: Path, drawn: Path) -> None:
    model = ["--model", str(sd_folder)]
    assert call(["heatmap", PROMPT, *model, "--steps", "2", "-o", "maps"]) == 0
    assert Path("maps/picture.png").read_bytes() == drawn.read_bytes()


def test_replay_draws_the_same_bytes(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["replay", str(drawn)]) == 0
    assert "every byte of the picture agrees" in capsys.readouterr().out
    assert call(["replay", str(drawn), "--json", "-o", "again.png"]) == 0
    assert printed(capsys)["same"] is True
    assert Path("again.png").read_bytes() == drawn.read_bytes()
    assert call(["replay", str(drawn), "-o", "others"]) == 0
    assert Path("others/cat.png").read_bytes() == drawn.read_bytes()


def test_replay_says_how_far_a_changed_picture_is_and_why(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from crossattn.pipelines.picture import to_png

    recipe, picture = read_recipe(drawn), read_picture(drawn)
    picture.putpixel((3, 3), tuple(255 - value for value in picture.getpixel((3, 3))))  # type: ignore[arg-type, union-attr]
    drawn.write_bytes(to_png(picture, recipe.replace(versions={"torch": "1.0"}), "DDIM"))
    assert call(["replay", str(drawn)]) == 1
    out, err = capsys.readouterr()
    assert "1 of 4096 pixels differ" in out
    assert "made with torch 1.0" in err


def test_models_lists_the_one_that_ships_and_what_it_knows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(["models"]) == 0
    shown = capsys.readouterr().out
    assert "emoji-sd" in shown
    assert "balloon" in shown
    assert call(["models", "--json"]) == 0
    answer = printed(capsys)
    first = answer["models"][0]
    assert (first["name"], first["kind"]) == ("emoji-sd", "ships")
    assert Path(first["path"]).name == "model"
    assert len(answer["vocabulary"]["objects"]) >= 32
    assert "turquoise" in answer["vocabulary"]["colours"]


def test_stopping_a_run_leaves_nothing_behind(
    sd_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crossattn.pipelines.export.film", stopped)
    arguments = ["heatmap", "a dog", "--model", str(sd_folder), "--steps", "1", "-o", "dog"]
    assert call(arguments) == 130
    assert list(tmp_path.iterdir()) == []
    assert "stopped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"), [("128", (128, 128)), ("512x768", (512, 768)), ("96X64", (96, 64))]
)
def test_a_size_is_one_side_or_width_by_height(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size
