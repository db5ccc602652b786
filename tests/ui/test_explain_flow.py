"""`crossattn explain --flow`: what each word is made of."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossattn.ui.cli import app


def test_every_words_shares_sum_to_one_and_none_comes_from_a_later_word(
    sd_folder: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "flow.png"
    arguments = ["explain", "a red car", "--flow", "--model", str(sd_folder), "-o", str(picture)]
    answer = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    (flow,) = json.loads(answer.stdout)["flow"]
    assert flow["words"] == ["a", "red", "car"]
    assert [sum(row) for row in flow["shares"]] == pytest.approx([1, 1, 1])
    assert flow["shares"][0][2:] == [0, 0]
    assert flow["shares"][1][3:] == [0]
    assert Path(flow["image"]) == picture
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_model_with_two_text_encoders_has_two_pictures(sdxl_folder: Path, tmp_path: Path) -> None:
    arguments = ["explain", "a red car", "--flow", "--model", str(sdxl_folder)]
    answer = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "flow.png")])
    assert answer.exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"flow-clip.png", "flow-clip-2.png"}
    assert "what each word is made of" in answer.stdout
