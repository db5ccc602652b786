import json
import shlex
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.pipelines.snippets import batch_line, command_line, overlays_zip, python_script

pytestmark = pytest.mark.slow

PROMPT = 'a "red" car\'s (wheel:1.5) on $HOME'
EDIT = {"prompt": "a red dog", "blend": ["car"], "protect": ["grass"], "cross": [0.0, 0.5]}
REGION = {"word": "wheel", "mask": ["#.", ".."], "hold": 0.5, "window": [0.0, 0.5]}


def a_recipe(**changes: Any) -> Recipe:
    fields: dict[str, Any] = {"prompt": PROMPT, "seed": 7, "steps": 2, "guidance": 4.0}
    return Recipe(**{**fields, "height": 64, "width": 64, **changes})


@pytest.mark.parametrize("more", [{}, {"edit": EDIT}, {"regions": [REGION]}, {"scheduler": "ddim"}])
def test_a_script_holds_the_very_recipe(more: dict[str, Any]) -> None:
    recipe = a_recipe(**more)
    names: dict[str, Any] = {}
    exec(python_script(recipe).partition("*steps")[0], names)
    assert names["recipe"] == recipe


def test_a_script_runs_and_draws_the_same_picture(sd_folder: Path, tmp_path: Path) -> None:
    recipe = a_recipe(model=str(sd_folder), threads=1)
    script = tmp_path / "draw.py"
    script.write_text(python_script(recipe), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "wheel" in ran.stdout
    *_, result = run(recipe)
    assert isinstance(result, Result)
    with Image.open(tmp_path / "picture.png") as drawn:
        assert np.array_equal(np.asarray(drawn), np.asarray(result.image))


@pytest.mark.parametrize("more", [{}, {"edit": EDIT}, {"regions": [REGION]}])
def test_a_batch_line_is_one_line_and_the_very_recipe(more: dict[str, Any]) -> None:
    line = batch_line(a_recipe(**more))
    assert line.count("\n") == 1
    assert Recipe.model_validate(json.loads(line)) == a_recipe(**more)


def test_a_command_line_is_safe_for_a_shell() -> None:
    words = shlex.split(command_line(a_recipe(negative_prompt="a; rm -rf")).replace("\\\n", " "))
    assert words[:3] == ["crossattn", "heatmap", PROMPT]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert options["--negative-prompt"] == "a; rm -rf"
    assert options["--size"] == "64x64"
    assert options["--seed"] == "7"


def test_an_edit_is_a_command_line_of_its_own() -> None:
    words = shlex.split(command_line(a_recipe(edit=EDIT)).replace("\\\n", " "))
    assert words[:4] == ["crossattn", "edit", PROMPT, "a red dog"]
    said = " ".join(words)
    assert "--cross 0-0.5" in said
    assert "--within car" in said
    assert "--protect grass" in said
    assert "--share" not in said
    assert "blend" not in said


def test_no_choice_of_an_edit_is_lost_on_the_command_line() -> None:
    edit = {**EDIT, "blend": None, "protect": [], "words": {"red dog": [0.2, 0.6]}, "begin": 0.25}
    said = shlex.split(command_line(a_recipe(edit={**edit, "threshold": 0.0})).replace("\\\n", " "))
    assert said[said.index("--word") + 1] == "red dog=0.2-0.6"
    assert said[said.index("--begin") + 1] == "0.25"
    assert said[said.index("--threshold") + 1] == "0"
    assert "--no-blend" in said


def test_a_picture_that_exists_comes_first_on_the_command_line() -> None:
    picture = {"path": "my garden.jpg", "method": "direct", "put_back": False}
    asked = a_recipe(picture=picture, edit={"prompt": "a red dog"})
    said = shlex.split(command_line(asked).replace("\\\n", " "))
    assert said[:5] == ["crossattn", "edit", "my garden.jpg", PROMPT, "a red dog"]
    assert said[said.index("--method") + 1] == "direct" and "--no-put-back" in said
    assert command_line(a_recipe(picture=picture)).startswith("crossattn words 'my garden.jpg' ")
    masked = a_recipe(picture=picture, edit={"prompt": "a red dog", "mask": ["#."]})
    assert command_line(masked).endswith("crossattn batch batch.jsonl -o out\n")


def test_regions_go_through_a_batch_of_one() -> None:
    recipe = a_recipe(regions=[REGION])
    lines = command_line(recipe).splitlines()
    assert Recipe.model_validate(json.loads(lines[1])) == recipe
    assert lines[-1] == "crossattn batch batch.jsonl -o out"


def test_a_zip_holds_an_overlay_for_each_word(sd_pipe: Any) -> None:
    *_, result = run(a_recipe(prompt="a red car"), pipe=sd_pipe)
    assert isinstance(result, Result)
    with ZipFile(BytesIO(overlays_zip(result.image, result.trace))) as archive:
        assert archive.namelist() == ["01-a.png", "02-red.png", "03-car.png"]
        with Image.open(BytesIO(archive.read("03-car.png"))) as overlay:
            assert overlay.size == (384, 384)
