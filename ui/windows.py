"""Windows as they are written on the command line: shares of the steps."""

import re

import typer

_SHARE = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
WINDOW = re.compile(rf"(?:(?P<start>{_SHARE})-)?(?P<end>{_SHARE})", re.ASCII)


def parse_window(text: str) -> tuple[float, float]:
    """Read a window, `0.8` (from the start) or `0.2-0.8`, as two shares of the steps."""
    found = WINDOW.fullmatch(text)
    if not found:
        raise typer.BadParameter(
            f"{text[:40]!r} is not a window: give shares of the steps, 0.8 or 0.2-0.8."
        )
    return float(found["start"] or 0), float(found["end"])


def parse_word_window(text: str) -> tuple[str, tuple[float, float]]:
    """Read a word with a window of its own, `boat=0.3-0.8`."""
    word, given, window = text.rpartition("=")
    if not (word and given):
        raise typer.BadParameter(
            f"{text[:40]!r} is not a word with a window: give both, as in boat=0.3-0.8."
        )
    return word, parse_window(window)
