"""Whether a picture that was drawn again is the same, and why it may not be."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from crossattn.errors import InputError
from crossattn.pipelines.recipe import Recipe


def with_original(recipe: Recipe, file: Path, original: Path | None = None) -> Recipe:
    """A recipe that was read from `file`, with where the picture that it is made of lies now.

    That is `original`, or else where the recipe says, or beside the file; a recipe of a drawing
    stays as it is. Raises InputError where no such picture lies, or none is asked for.
    """
    named = recipe.picture
    if named is None:
        if original is not None:
            raise InputError(
                f"{file} was drawn, and not made of a picture that exists; leave {original} out."
            )
        return recipe
    path = Path(named.path)
    likely = [original] if original else [path, file.parent / path.name]
    there = next((each for each in likely if each.is_file()), None)
    if there is None:
        raise InputError(
            f"{file} is made of the picture {original or path}, which is not there: lay it beside "
            "that file, or say where it lies (--original)."
        )
    return recipe.replace(picture={**named.model_dump(), "path": str(there)})


def compare(before: Image.Image, after: Image.Image) -> tuple[int, int]:
    """Return how many pixels of two RGB pictures differ, and the largest difference (0 to 255).

    Pictures of different sizes differ in every pixel of the first, by 255.
    """
    if before.size != after.size:
        return before.width * before.height, 255
    first, second = (np.asarray(one.convert("RGB"), dtype=np.int16) for one in (before, after))
    apart = np.abs(first - second).max(axis=-1)
    return int((apart > 0).sum()), int(apart.max())


def drifted(then: Recipe, now: Recipe) -> Iterator[str]:
    """Say what else than the picture has changed between two runs of a recipe."""
    for library in sorted(then.versions.keys() | now.versions.keys()):
        old, new = (one.versions.get(library, "an unknown version") for one in (then, now))
        if old != new:
            yield f"It was made with {library} {old}, and here is {new}."
    for field in ("model", "device"):
        old, new = getattr(then, field), getattr(now, field)
        if old != new:
            yield f"It was made with {field} {old}, and now with {new}."
    if then.threads != now.threads:
        count = then.threads or "an unknown number of"
        yield f"It was made on {count} CPU threads, and now on {now.threads}."
    for name in sorted(then.digests.keys() | now.digests.keys()):
        if then.digests.get(name) != now.digests.get(name):
            yield f"It was made with another file for the {name} than lies here now."
