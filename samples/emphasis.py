"""Turn one word of a prompt up and down, in each dialect, with the same noise.

python samples/emphasis.py
"""

import argparse
from pathlib import Path
from typing import get_args

from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Dialect, Recipe
from crossattn.pipelines.run import run
from crossattn.pipelines.sheets import Tile, contact_sheet, fitted

PICTURE = Path(__file__).parent / "pictures" / "emphasis.jpg"
PROMPT = "a red car in a meadow in ({phrase}:{weight})"
WEIGHTS = (0.25, 0.5, 1.0, 1.5, 2.5)


def main() -> None:
    """Draw a row for each dialect and a column for each weight."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the picture goes")
    options = parser.parse_args()

    pipe = load()
    tiles = []
    for dialect in get_args(Dialect):
        for weight in WEIGHTS:
            prompt = PROMPT.format(phrase="heavy snow", weight=weight)
            recipe = Recipe(prompt=prompt, seed=3, steps=options.steps, dialect=dialect)
            *_, result = run(recipe, pipe=pipe)
            share = sum(word.cover for word in result.words if word.text in ("heavy", "snow"))
            label = f"{dialect} {weight:g}"
            tiles.append(Tile(fitted(result.image), label, f"{share:.1%}"))
    sheet = contact_sheet(
        tiles,
        title=PROMPT.format(phrase="heavy snow", weight="w"),
        footer="at the right: how much of the picture the words cover",
        columns=len(WEIGHTS),
        scale=False,
    )
    sheet.save(options.out)


if __name__ == "__main__":
    main()
