"""An edit as files: both pictures, the two side by side, the blend's mask, the recipe."""

from pathlib import Path

import numpy as np
from PIL import Image

from crossattn.pipelines.edit import Edited
from crossattn.pipelines.files import new_folder
from crossattn.pipelines.picture import to_png
from crossattn.pipelines.sheets import Tile, contact_sheet, fitted


def write_edit(done: Edited, folder: Path) -> list[Path]:
    """Write an edit to a new folder, all files or none, and return them, the edited picture first.

    `folder` gets a number if it is there and not empty. Raises InputError if it cannot be written.
    """
    before, after = done.source.result, done.result
    with new_folder(folder) as place:
        names = ["edited.png", "source.png", "sheet.png"]
        (place / names[0]).write_bytes(to_png(after.image, after.recipe, after.sampler))
        (place / names[1]).write_bytes(to_png(before.image, before.recipe, before.sampler))
        edit_sheet(done).save(place / names[2])
        if done.report.mask is not None:
            names.append("mask.png")
            mask_picture(done).save(place / names[-1])
        names.append("recipe.json")
        (place / names[-1]).write_text(after.recipe.to_json() + "\n", encoding="utf-8")
    return [place.parent / name for name in names]


def edit_sheet(done: Edited) -> Image.Image:
    """Source and edited picture side by side, with the blend's mask if there is one."""
    before, after = done.source.result, done.result
    assert after.recipe.edit is not None
    tiles = [Tile(fitted(before.image), "before"), Tile(fitted(after.image), "after")]
    if done.report.mask is not None:
        shared = f"{float(done.report.mask.float().mean()):.0%}"
        tiles.append(Tile(fitted(_shaded(done)), "may change", shared))
    recipe = after.recipe
    by = "" if recipe.picture is None else f"{recipe.picture.method} · "
    footer = f"{by}{after.recipe.edit.mode} · seed {recipe.seed} · {recipe.steps} steps"
    title = f"{before.trace.prompt.text}, edited into {after.trace.prompt.text}"
    return contact_sheet(tiles, title=title, footer=footer, columns=len(tiles), scale=False)


def mask_picture(done: Edited) -> Image.Image:
    """The blend's mask, white where the picture could change; only for an edit that has one."""
    assert done.report.mask is not None
    return Image.fromarray(done.report.mask.numpy().astype(np.uint8) * 255)


def _shaded(done: Edited) -> Image.Image:
    """The edited picture with what the mask keeps pale."""
    picture = done.result.image.convert("RGB")
    pale = Image.blend(
        picture.convert("L").convert("RGB"), Image.new("RGB", picture.size, "white"), 0.7
    )
    return Image.composite(picture, pale, mask_picture(done))
