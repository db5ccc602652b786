"""What people can get wrong: one sentence on the standard error, exit code 2, nothing written."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from crossattn.ui.cli import call

Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    def check(*arguments: str) -> str:
        before = sorted(Path.cwd().rglob("*"))
        assert call(list(arguments)) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("crossattn: ")
        assert err.count("\n") == 1
        assert len(err) < 700
        assert sorted(Path.cwd().rglob("*")) == before
        return err

    return check


@pytest.mark.parametrize("command", ["generate", "heatmap", "explain"])
@pytest.mark.parametrize("prompt", ["", "   ", "\n", "\ud800", "a \0 b", "(a:nan)", "(a:1e308)"])
def test_a_prompt_that_is_none(
    command: str, prompt: str, refused: Refused, sd_folder: Path
) -> None:
    refused(command, prompt, "--model", str(sd_folder))


@pytest.mark.parametrize(
    "prompt",
    ["👩‍👩‍👧 on a beach", "abc \u202edef", "e\u0301\u0302\u0303", "猫 在 草地 上", "a--- b+++ ((("],
)
def test_an_unusual_prompt_is_drawn(prompt: str, sd_folder: Path) -> None:
    arguments = ["heatmap", prompt, "--model", str(sd_folder), "--steps", "1", "-o", "maps"]
    assert call(arguments) == 0
    assert Path("maps/contact-sheet.png").is_file()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seed", "-1"),
        ("--seed", str(2**70)),
        ("--seed", "1.5"),
        ("--seed", "true"),
        ("--steps", "0"),
        ("--steps", "many"),
        ("--guidance", "nan"),
        ("--guidance", "inf"),
        ("--guidance", "1e308"),
        ("--size", "0"),
        ("--size", "100"),
        ("--size", "100000x100000"),
        ("--size", "64x"),
        ("--size", "-64"),
        ("--scheduler", "magic"),
        ("--dtype", "int8"),
        ("--device", "tpu"),
        ("--device", "cuda:99"),
        ("--model", "no-such-model"),
        ("--model", "owner/not-in-the-cache"),
        ("--nonsense", "1"),
    ],
)
def test_an_option_out_of_range_is_named(
    option: str, value: str, refused: Refused, sd_folder: Path
) -> None:
    arguments = {"--model": str(sd_folder), option: value}
    words = [part for pair in arguments.items() for part in pair]
    text = refused("generate", "a dog", *words)
    named = {"--size": ("height", "--size")}.get(option, (option.lstrip("-"),))
    assert any(name in text for name in named)


@pytest.mark.parametrize("arguments", [["generate"], ["paint", "a dog"], ["generate", "a", "b"]])
def test_a_command_line_that_makes_no_sense(arguments: list[str], refused: Refused) -> None:
    refused(*arguments)


def test_a_pickled_model(refused: Refused, tmp_path: Path) -> None:
    for name in ("model.ckpt", "model.safetensors", "model.SAFETENSORS"):
        (tmp_path / name).write_bytes(pickle.dumps({"weights": [0] * 100}))
        refused("generate", "a dog", "--model", str(tmp_path / name), "--config", str(tmp_path))


def test_a_model_with_a_file_cut_off(refused: Refused, sd_folder: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(sd_folder, tmp_path / "model"))
    weights = model / "unet/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    text = refused("heatmap", "a dog", "--model", str(model))
    assert weights.name in text


def test_an_output_that_cannot_be_written(refused: Refused, sd_folder: Path) -> None:
    Path("file").touch()
    options = ["--model", str(sd_folder), "--steps", "1"]
    assert "Cannot write" in refused("generate", "a dog", *options, "-o", "file/dog.png")
    assert "Cannot write" in refused("heatmap", "a dog", *options, "-o", "file/dog")
    assert "Cannot write" in refused("generate", "a dog", *options, "-o", "x" * 300 + ".png")


@pytest.mark.parametrize(
    ("command", "output", "sentence"),
    [
        (["generate", "a dog"], "dog.jpg", "name it dog.png"),
        (["edit", "a dog", "a cat"], "cat.webp", "name it cat.png"),
        (["compare", "a dog"], "sheet.gif", "name it sheet.png"),
        (["heatmap", "a dog"], "dog.png", "give a folder"),
        (["generate", "a dog"], "file", "Not a directory"),
        (["heatmap", "a dog"], "file/maps", "Not a directory"),
        (["edit", "a dog", "a cat"], "file/cat", "Not a directory"),
        (["explain", "a dog", "--flow"], "file/flow.png", "Not a directory"),
    ],
)
def test_an_output_that_cannot_be_is_told_before_the_work(
    command: list[str],
    output: str,
    sentence: str,
    refused: Refused,
    sd_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def worked(*arguments: object, **options: object) -> None:
        raise AssertionError("the work was begun")

    for work in ("settle.load", "load.load"):
        monkeypatch.setattr(f"crossattn.pipelines.{work}", worked)
    Path("file").touch()
    assert sentence in refused(*command, "--model", str(sd_folder), "-o", output)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["generate", "a", "red", "car"], "put words that belong together in quotes"),
        (["generate"], "see crossattn generate --help"),
        (["generate", "a dog", "--sed", "7"], "see crossattn generate --help"),
        (["edit", "a cat", "a dog", "--protect", "zebra"], 'no "zebra"'),
        (["edit", "a cat", "a dog", "--within", "zebra"], 'no "zebra"'),
        (["edit", "a cat", "a dog", "--word", "cat=0-1"], 'no "cat"'),
        (["edit", "a cat", "a dog", "--region", "zebra=0,0,1,0.5"], 'no "zebra"'),
        (["heatmap", "a cat", "--region", "zebra=0,0,1,0.5"], 'no "zebra"'),
        (["edit", "a cat", "-dog"], "put -- before words that begin with a dash"),
        (["heatmap", "a dog", "--steps", "ten"], "expected a whole number, but got 'ten'"),
        (["edit", "a dog", "a cat", "--begin", "late"], "expected a number, but got 'late'"),
        (["generate", "a dog", "--region", "dog=0,0.5"], "give left,top,right,bottom"),
        (["explain", "a dog", "a cat", "--flow"], "--flow is of one prompt"),
        (["explain", "a dog", "-o", "flow.png"], "--output is for the picture of --flow"),
        (["replay", "."], "Is a directory"),
    ],
)
def test_a_command_line_that_is_wrong_is_told_how_to_be_right(
    arguments: list[str], sentence: str, refused: Refused
) -> None:
    text = refused(*arguments)
    assert sentence in text
    assert "Errno" not in text


def test_a_picture_that_cannot_be_replayed(refused: Refused, tmp_path: Path) -> None:
    broken, plain = tmp_path / "broken.png", tmp_path / "plain.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("RGB", (8, 8)).save(plain)
    assert "carries no recipe" in refused("replay", str(plain))
    refused("replay", str(broken))
    refused("replay", str(tmp_path / "none.png"))
    refused("replay", str(tmp_path))
