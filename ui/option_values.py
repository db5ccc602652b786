"""The values of options, read from what was typed."""

import re
from pathlib import Path
from typing import Any

import typer


def parse_whole(text: str | int) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected a whole number, but got {text!r:.40}.") from None


def parse_number(text: str | float) -> float:
    """Read a number, whole or not."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, but got {text!r:.40}.") from None


def parse_size(text: str) -> tuple[int, int]:
    """Read a size, `128` or `512x768` (width x height), as (width, height) in pixels."""
    found = re.fullmatch(r"(\d{1,6})(?:[xX×](\d{1,6}))?", text.strip(), re.ASCII)
    if not found:
        raise typer.BadParameter(
            f"{text[:40]!r} is not a size: give one side, 128, or width x height, 512x768."
        )
    width = int(found[1])
    return width, int(found[2] or width)


def parse_region(text: str) -> dict[str, Any]:
    """Read a region, `car=0,0,0.5,1` or `car=mask.png`, as a recipe has it."""
    from crossattn.pipelines.regions import box_rows, picture_rows

    word, given, place = text.partition("=")
    if not (word.strip() and given and place):
        raise typer.BadParameter(
            f"{text[:40]!r} is not a region: give a word, =, and left,top,right,bottom in shares "
            "of the picture or the file of a mask, as in car=0,0,0.5,1."
        )
    try:
        edges = [float(edge) for edge in place.split(",")]
    except ValueError:
        return {"word": word, "mask": picture_rows(Path(place).expanduser())}
    if len(edges) != 4:
        raise typer.BadParameter(
            f"{place[:40]!r} is not a box: give left,top,right,bottom in shares of the picture, as "
            "in car=0,0,0.5,1."
        )
    return {"word": word, "mask": box_rows(*edges)}
