"""Edit a picture that exists: a render of a scene, and what edits make of it with both models.

python samples/photograph.py
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from crossattn.pipelines.edit import edit, keep_source
from crossattn.pipelines.emoji_sd.scenes import make_scene, render
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.sheets import Tile, contact_sheet, fitted

PICTURE = Path(__file__).parent / "pictures" / "photograph.jpg"
CAPTION = "a small red car in a field of grass"
TARGETS = {
    "red to blue": "a small blue car in a field of grass",
    "car to boat": "a small red boat in a field of grass",
    "to the beach": "a small red car on the sand",
}


def main() -> None:
    """Invert the picture once with each model, and edit it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, help="the model's own unless given")
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the sheet goes")
    options = parser.parse_args()

    # Any picture will do; this one is 384 × 256, which the models do not draw by themselves.
    scene = Image.fromarray(render(make_scene(7, "fresh")).pixels)
    photo = scene.resize((384, 384), Image.Resampling.LANCZOS).crop((0, 64, 384, 320))
    tiles = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        photo.save(path)
        for model in ("emoji-sd", "emoji-sd3"):
            pipe = load(model)
            recipe = Recipe(
                model=model, prompt=CAPTION, steps=options.steps, picture={"path": str(path)}
            )
            *_, source = keep_source(recipe, pipe=pipe)
            tiles.append(Tile(fitted(photo), "the picture", model))
            for name, target in TARGETS.items():
                asked = recipe.replace(edit={"prompt": target})
                *_, done = edit(asked, pipe=pipe, source=source)
                kept = f"{done.report.outside or 0:.0%} outside"
                tiles.append(Tile(fitted(done.result.image), name, kept))
    footer = "at the right: pixels that changed outside the mask"
    sheet = contact_sheet(
        tiles, title=CAPTION, footer=footer, columns=1 + len(TARGETS), scale=False
    )
    sheet.save(options.out, quality=90)


if __name__ == "__main__":
    main()
