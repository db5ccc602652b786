"""Turn one word of a prompt up and down, in each dialect, with the same noise.

python samples/emphasis.py
"""

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
    pipe = load()
    tiles = []
    for dialect in get_args(Dialect):
        for weight in WEIGHTS:
            prompt = PROMPT.format(phrase="heavy snow", weight=weight)
            *_, result = run(Recipe(prompt=prompt, seed=3, steps=15, dialect=dialect), pipe=pipe)
            share = sum(word.mass for word in result.words if word.text in ("heavy", "snow"))
            label = f"{dialect} {weight:g}"
            tiles.append(Tile(fitted(result.image), label, f"{share:.1%}"))
    sheet = contact_sheet(
        tiles,
        title=PROMPT.format(phrase="heavy snow", weight="w"),
        footer="at the right: the share of attention that the words have",
        columns=len(WEIGHTS),
        scale=False,
    )
    sheet.save(PICTURE)


if __name__ == "__main__":
    main()
