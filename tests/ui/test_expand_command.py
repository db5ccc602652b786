import json

import pytest

from crossattn.ui.cli import call


def test_expand_prints_a_plan_that_says_what_was_chosen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(["expand", "a {red|blue} car"]) == 0
    out, err = capsys.readouterr()
    assert "stands for 2 prompts" in err
    assert [json.loads(line) for line in out.splitlines()] == [
        {"prompt": "a red car", "axes": {"choice 1": "red"}},
        {"prompt": "a blue car", "axes": {"choice 1": "blue"}},
    ]


def test_expand_takes_some_by_chance(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["expand", "{a|b} {c|d}", "--some", "3", "--seed", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_text_that_cannot_be_read_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["expand", "a {red|blue car"]) == 2
    assert "without a }" in capsys.readouterr().err
