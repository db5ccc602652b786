"""A result as files: the picture alone, or everything that is to be seen about its words."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image
from torch import Tensor

from crossattn.coverage import coverage
from crossattn.pipelines.files import new_folder, slug, write_file
from crossattn.pipelines.picture import to_png
from crossattn.pipelines.preview import Preview
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result
from crossattn.pipelines.sheets import Tile, contact_sheet, enlarged, film, fitted
from crossattn.trace import Trace
from crossattn.whole_prompt import plain_text
from crossattn.words import token_positions

FILM_FRAMES = 8


def default_name(recipe: Recipe) -> str:
    """Return a file name without suffix that tells what the picture is of."""
    return f"{slug(plain_text(recipe.prompt, recipe.notation))}-seed{recipe.seed}"


def write_picture(result: Result, path: Path) -> Path:
    """Write the picture as a PNG that carries its recipe, beside what is there already.

    Returns the path it got. Raises InputError if it cannot be written.
    """
    return write_file(path, to_png(result.image, result.recipe, result.sampler))


def write_heatmaps(result: Result, latents: Sequence[Tensor], folder: Path) -> list[Path]:
    """Write the picture, an overlay per word, contact sheet, film, trace and recipe: all or none.

    `latents` are those after each call of the denoiser, in order; of a picture that exists there
    are none, and no film. `folder` gets a number if it is there and not empty. Returns the files.
    Raises InputError if they cannot be written.
    """
    with new_folder(folder) as place:
        names = ["picture.png", "contact-sheet.png"]
        (place / names[0]).write_bytes(to_png(result.image, result.recipe, result.sampler))
        word_sheet(result.image, result.trace, result.recipe, result.sampler).save(place / names[1])
        if latents:
            names.append("film.webp")
            preview = Preview(latents[-1], result.image)
            sketches = [preview.of(one) for one in latents]
            (place / names[-1]).write_bytes(word_film(result.image, result.trace, sketches))
        large = enlarged(result.image)
        (place / "words").mkdir()
        for number, heat in enumerate(result.trace.words, start=1):
            names.append(f"words/{number:02}-{slug(heat.text)}.png")
            heat.overlay(large).save(place / names[-1])
        names += ["trace.safetensors", "recipe.json"]
        result.trace.save(place / names[-2])
        (place / names[-1]).write_text(result.recipe.to_json() + "\n", encoding="utf-8")
    return [place.parent / name for name in names]


def word_sheet(picture: Image.Image, trace: Trace, recipe: Recipe, sampler: str) -> Image.Image:
    """Return a sheet of a picture and the maps of its words over it, with what it was made by."""
    facts = [Path(recipe.model).name, f"seed {recipe.seed}"]
    if recipe.picture is not None:
        facts.insert(0, Path(recipe.picture.path).name)
    else:
        facts += [f"{recipe.steps} steps", f"guidance {recipe.guidance:g}"]
        facts.append(sampler.removesuffix("Scheduler"))
    tiles = _tiles(picture, trace)
    return contact_sheet(tiles, title=trace.prompt.text, footer=" · ".join(facts))


def word_tiles(picture: Image.Image, trace: Trace) -> list[Tile]:
    """Return a tile for each word that the model has read: its map on a picture, and its cover."""
    tiles = []
    words = (word for word in trace.prompt.words if token_positions([word]))
    for word, heat in zip(words, trace.words, strict=True):
        again = f" ({word.occurrence})" if word.occurrence > 1 else ""
        tiles.append(Tile(heat.overlay(picture), word.text + again, f"{coverage(heat):.1%}"))
    return tiles


def _tiles(image: Image.Image, trace: Trace) -> list[Tile]:
    picture = fitted(image)
    return [Tile(picture, "picture"), *word_tiles(picture, trace)]


def word_film(picture: Image.Image, trace: Trace, sketches: Sequence[Image.Image]) -> bytes:
    """Return a film (WebP) of a picture and the maps of its words over the steps.

    It has at most `FILM_FRAMES` groups of the steps that the trace kept apart, and a last frame of
    them all. `sketches` are what the picture looked like after each call of the denoiser; without
    any the finished one stands in each frame.
    """
    layout = trace.view.record.layout
    bins = [math.ceil(group * layout.steps / layout.bins) for group in range(layout.bins + 1)]
    count = min(FILM_FRAMES, layout.bins)
    edges = [bins[round(group * layout.bins / count)] for group in range(count + 1)]
    frames = []
    for begin, end in pairwise(edges):
        tiles = _tiles(picture, trace.at(steps=slice(begin, end)))
        if sketches:
            # A scheduler may call the denoiser more than once a step.
            sketch = sketches[math.ceil(end * len(sketches) / layout.steps) - 1]
            tiles[0] = Tile(sketch.resize(tiles[0].image.size, Image.Resampling.BICUBIC), "picture")
        steps = f"step {end}" if end - begin == 1 else f"steps {begin + 1} to {end}"
        frames.append((tiles, f"{steps} of {layout.steps}", end / layout.steps))
    frames.append((_tiles(picture, trace), f"all {layout.steps} steps", 1.0))
    title = trace.prompt.text
    return film(
        [contact_sheet(tiles, title=title, footer=foot, share=far) for tiles, foot, far in frames]
    )
