"""What the command line shows on a terminal."""

import os
import re
from io import StringIO
from pathlib import Path

import pytest

from crossattn.ui.cli import call


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_no_word_explains_is_told_once(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(sd_folder), "--steps", "1"]
    assert call(["generate", "a (red:2) dog", *model]) == 0
    out = capsys.readouterr().out
    (share,) = re.findall(r"(\d+)% of all attention rests on no word but on start, end", out)
    assert 0 < int(share) < 100


def test_a_word_cannot_steer_the_terminal(
    sd_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["explain", "a \u202edog", "--model", str(sd_folder)]) == 0
    shown = capsys.readouterr().out
    assert "\u202e" not in shown
    assert "\\u202e" in shown


def test_a_bar_is_drawn_on_a_terminal_only(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    arguments = ["generate", "a dog", "--model", str(sd_folder), "--steps", "2"]
    assert call(arguments) == 0
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setitem(os.environ, "TERM", "xterm")
    assert call(arguments) == 0
    assert "drawing 2/2" in terminal.getvalue()
