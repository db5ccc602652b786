"""One source, run once, and edits of it: words swapped, added, weighed, blended.

python samples/edits.py
"""

import argparse
from pathlib import Path
from typing import Any

from crossattn.pipelines.edit import edit, keep_source
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.sheets import Tile, contact_sheet, fitted

PICTURES = Path(__file__).parent / "pictures"
SOURCE = Recipe(prompt="a red car in a meadow", seed=7)
LOOSE: dict[str, Any] = {"cross": (0.0, 0.2), "share": (0.0, 0.0)}
EDITS: dict[str, dict[str, dict[str, Any]]] = {
    "swap": {
        "red to blue": {"prompt": "a blue car in a meadow"},
        "car to boat": {"prompt": "a red boat in a meadow"},
        "to the desert": {"prompt": "a red car in the desert"},
        "a green frog": {"prompt": "a green frog in a meadow"},
    },
    "refine": {
        "+ big": {"prompt": "a big red car in a meadow"},
        "+ snow": {"prompt": "a red car in a meadow with some snow falling"},
        "+ a yellow duck": {"prompt": "a red car and a yellow duck in a meadow", **LOOSE},
        "- red": {"prompt": "a car in a meadow"},
    },
    # Little is taken over from the source here, so that the blend alone keeps the rest.
    "blend": {
        "a rocket": {"prompt": "a red rocket in a meadow", **LOOSE, "blend": None},
        "blended": {"prompt": "a red rocket in a meadow", **LOOSE, "blend": []},
        "a blue balloon": {"prompt": "a blue balloon in a meadow", **LOOSE, "blend": None},
        "blended too": {"prompt": "a blue balloon in a meadow", **LOOSE, "blend": []},
    },
}


def main() -> None:
    """Draw a sheet for each kind of edit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--out", type=Path, default=PICTURES, help="where the pictures go")
    options = parser.parse_args()

    pipe, recipe = load(), SOURCE.replace(steps=options.steps)
    *_, source = keep_source(recipe, pipe=pipe)
    for name, asked in EDITS.items():
        tiles = [Tile(fitted(source.result.image), SOURCE.prompt)]
        for label, how in asked.items():
            *_, done = edit(recipe.replace(edit=how), pipe=pipe, source=source)
            tiles.append(
                Tile(fitted(done.result.image), label, f"{done.report.changed:.0%} changed")
            )
        sheet = contact_sheet(
            tiles,
            title=f"{name.capitalize()}: one source and four edits",
            footer=f"seed {SOURCE.seed} · {source.run.nbytes / 2**20:.0f} MiB kept of the source",
            columns=len(tiles),
            scale=False,
        )
        sheet.save(options.out / f"edit-{name}.png")


if __name__ == "__main__":
    main()
