"""`crossattn compare`: a picture by several mechanisms."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from crossattn.errors import ControlError
from crossattn.ui.cli import app

pytestmark = pytest.mark.slow


def test_each_mechanism_has_a_row_with_its_figures(sd_folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["compare", "a red car", "--mechanisms", "scaled,topk:1,topk:all", "--json"]
    arguments += ["--model", str(sd_folder), "--steps", "2", "--size", "64", "-o", str(sheet)]
    answer = CliRunner().invoke(app, arguments, catch_exceptions=False)
    rows: list[dict[str, Any]] = json.loads(answer.stdout)["compared"]
    scaled, one, every = rows
    assert [row["mechanism"] for row in rows] == ["scaled", "topk:1", "topk:all"]
    assert one["entropy"] == pytest.approx(0, abs=1e-6)
    assert scaled["entropy"] > 1
    assert every["entropy"] == pytest.approx(scaled["entropy"], abs=1e-4)
    assert all(row["cpu_seconds"] > 0 and len(row["words"]) == 3 for row in rows)
    with Image.open(sheet) as picture:
        # Four columns of 160 pixels, three rows.
        assert picture.width > 4 * 160
        assert picture.height > 3 * 160


def test_the_picture_that_is_compared_is_chosen_as_any_other(
    sd_folder: Path, tmp_path: Path
) -> None:
    arguments = ["compare", "a dog", "--mechanisms", "scaled", "--model", str(sd_folder)]
    arguments += ["--negative-prompt", "a cat", "--region", "dog=0,0,0.5,1", "--steps", "1"]
    answer = CliRunner().invoke(app, [*arguments, "--json", "-o", str(tmp_path / "sheet.png")])
    recipe = json.loads(answer.stdout)["recipe"]
    assert recipe["negative_prompt"] == "a cat"
    assert [region["word"] for region in recipe["regions"]] == ["dog"]


def test_a_folder_gets_a_new_picture_each_time(sd_folder: Path, tmp_path: Path) -> None:
    arguments = ["compare", "a dog", "--mechanisms", "scaled", "--model", str(sd_folder)]
    for _ in range(2):
        answer = CliRunner().invoke(app, [*arguments, "--steps", "1", "-o", str(tmp_path)])
        assert answer.exit_code == 0
        assert "entropy" in answer.stdout
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"a-dog-seed0-mechanisms.png", "a-dog-seed0-mechanisms-2.png"}


def test_a_mechanism_that_cannot_be_read_stops_before_anything_is_drawn(
    sd_folder: Path, tmp_path: Path
) -> None:
    arguments = ["compare", "a red car", "--mechanisms", "scaled,fast", "--model", str(sd_folder)]
    answer = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "sheet.png")])
    assert isinstance(answer.exception, ControlError)
    assert "'fast' is not a mechanism" in str(answer.exception)
    assert not list(tmp_path.iterdir())
