import json
from pathlib import Path
from typing import Any

import pytest

from crossattn.ui.cli import call

PROMPT = "a red balloon and a dog"


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_explain_prints_each_encoders_tokens_and_words(
    sdxl_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["explain", "a [bold] balloon", "--model", str(sdxl_folder)]) == 0
    out = capsys.readouterr().out
    assert "clip: " in out
    assert "clip-2: " in out
    assert "balloon" in out
    assert "bold" in out


def test_explain_prints_one_json_object(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", "a (red:1.5) balloon, a dog", "--model", str(sd_folder), "--json"]
    assert call(arguments) == 0
    data = printed(capsys)
    assert list(data) == ["encoders", "words", "dropped", "marks", "passages"]
    [encoder] = data["encoders"]
    assert (encoder["name"], encoder["limit"]) == ("clip", 77)
    assert encoder["tokens"][2] == {"index": 2, "text": "red", "word": 1}
    assert data["words"][1] == {"text": "red", "occurrence": 1, "tokens": [2], "weight": 1.5}
    assert data["words"][2]["tokens"] == [3, 4, 5]
    assert data["words"][3]["occurrence"] == 2
    assert data["dropped"] == []


def test_explain_counts_the_stretches_of_a_long_prompt(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["explain", "a " * 80 + "dog", "--model", str(sd_folder), "--json"]) == 0
    data = printed(capsys)
    [encoder] = data["encoders"]
    assert (encoder["limit"], encoder["stretches"]) == (154, 2)
    assert data["words"][-1]["tokens"] == [83]
    assert data["dropped"] == []


def test_explain_says_what_each_mark_did(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "a (small:1.5) [red:blue:0.5] cat++ AND a dog :0.8"
    asked = ["explain", source, "--model", str(sd_folder), "--dialect", "a1111", "--json"]
    assert call(asked) == 0
    data = printed(capsys)
    assert [(mark["text"], mark["does"]) for mark in data["marks"]] == [
        ("[red:blue:0.5]", '"red" for the first 0.5 of the run, then "blue"'),
        ("AND", "draws by 2 prompts at once"),
        ("(small:1.5)", "× 1.5"),
        ("cat++", "plain text: signs weigh nothing in AUTOMATIC1111"),
    ]
    assert [(one["text"], one["weight"]) for one in data["passages"]] == [
        ("a small red cat++", 1.0),
        ("a dog", 0.8),
        ("a small blue cat++", 1.0),
        ("a dog", 0.8),
    ]
    assert call(asked[:-1]) == 0
    assert "(small:1.5)" in capsys.readouterr().out
