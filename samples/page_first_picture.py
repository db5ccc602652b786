"""Draw the picture that the page opens with, and write it with its maps beside the page's parts.

Run it again when the embedded model or what the page shows of a picture has changed.
"""

import json
from pathlib import Path

from crossattn.pipelines.load import EMBEDDED
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.ui.browser.drawing import data_url
from crossattn.ui.browser.parts import STATIC
from crossattn.ui.browser.payload import describe
from crossattn.ui.browser.shelf import Shelf

PROMPT = "a red car left of a blue balloon on green grass"


def main(file: Path = STATIC / "first.json") -> None:
    """Draw and write."""
    recipe = Recipe(
        model=EMBEDDED, prompt=PROMPT, seed=7, steps=25, guidance=4.0, width=128, height=128
    )
    *_, result = run(recipe)
    assert isinstance(result, Result)
    shelf = Shelf()
    try:
        made = shelf.put(result)
        told = describe(made, shelf)
        told |= {
            "id": "first",
            "shipped": True,
            "cards": None,
            "picture": {"url": data_url(read_picture(made.picture)), "name": made.picture.name},
            "trace": None,
        }
    finally:
        shelf.close()
    file.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{file}: {file.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
