"""Pictures as files: PNG with the recipe inside, and careful reading of anybody's picture."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from crossattn.errors import InputError
from crossattn.pipelines.recipe import Recipe

KEY = "crossattn"
"""The text key of a PNG that holds the recipe as JSON (its `version` field says which format)."""

MAX_PIXELS = 40_000_000


def to_png(image: Image.Image, recipe: Recipe, sampler: str) -> bytes:
    """Return a picture as PNG with its recipe: JSON under `crossattn`, and A1111's `parameters`."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, recipe.to_json())
    info.add_text("parameters", parameters(recipe, sampler))
    file = BytesIO()
    image.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def parameters(recipe: Recipe, sampler: str) -> str:
    """Return a recipe in the readable form that AUTOMATIC1111's web UI writes into its PNGs.

    The prompt is what the picture shows: of an edit the target, with the source as `Edit of`.
    """
    edit = recipe.edit
    settings = {
        "Steps": recipe.steps,
        "Sampler": sampler.removesuffix("Scheduler"),
        "CFG scale": recipe.guidance,
        "Seed": recipe.seed,
        "Size": f"{recipe.width}x{recipe.height}",
        "Model": recipe.model,
        **({"Edit of": recipe.prompt} if edit else {}),
        **({"Regions": ", ".join(one.word for one in recipe.regions)} if recipe.regions else {}),
        **({"Excited": ", ".join(recipe.excite) or "all"} if recipe.excite is not None else {}),
        "Dialect": recipe.notation,
        "Version": f"crossattn {recipe.versions.get('crossattn', '')}".strip(),
    }
    lines = [edit.prompt if edit else recipe.prompt]
    if recipe.negative_prompt:
        lines.append(f"Negative prompt: {recipe.negative_prompt}")
    lines.append(", ".join(f"{key}: {_setting(value)}" for key, value in settings.items()))
    return "\n".join(lines)


def _setting(value: object) -> str:
    # What would end a setting, or begin the next, is quoted as that program does.
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if set(text) & set(',:\n"') else text


def read_picture(path: Path) -> Image.Image:
    """Read a picture as RGB, upright, first frame, transparency on white.

    Raises InputError if it is missing, broken, no picture, or over 40 million pixels.
    """
    with opened(path) as stored:
        image: Image.Image = ImageOps.exif_transpose(stored)
        if image.mode.startswith("I"):
            image = _eight_bits(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return image.convert("RGB")


def read_recipe(path: Path) -> Recipe:
    """Read the recipe that a PNG made by this program carries.

    Raises InputError if it is no such picture, RecipeError if the recipe in it is not sound.
    """
    with opened(path) as image:
        text = image.info.get(KEY)
    if not isinstance(text, str):
        raise InputError(
            f"{path} carries no recipe: expected a PNG that crossattn made and that no other "
            "program has saved again."
        )
    return Recipe.from_json(text)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Give the picture in a file as it is stored; raises InputError as `read_picture` does."""
    try:
        with warnings.catch_warnings():
            # Pillow only warns about pictures up to twice its own limit; they are too big as well.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            image.load()
            yield image
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} has too many pixels: expected at most {MAX_PIXELS:,}; make it smaller."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"There is no picture {path}.") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a picture in a known format, such as PNG.") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read as a picture ({reason}); get it anew.") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    # Pillow's own conversion of deeper greys cuts at 255 rather than scaling.
    top = 255 if image.mode == "I" and values.max(initial=0) <= 255 else 65535
    return Image.fromarray((values.clip(0, top) * 255 / top).round().astype(np.uint8))
