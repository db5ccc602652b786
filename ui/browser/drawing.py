"""From the page's fields to a picture: recipes are built here, run, and told of as they go."""

import base64
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from crossattn.errors import RecipeError
from crossattn.pipelines.denoise import Progress, decode
from crossattn.pipelines.load import load
from crossattn.pipelines.preview import previews
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


def whole_number(text: str, name: str) -> int:
    """Read a whole number that a person typed; raises `RecipeError` if it is none."""
    try:
        return int(text.strip())
    except ValueError:
        raise RecipeError(f"The {name} must be a whole number, but is {text[:40]!r}.") from None


def size_of(text: str) -> tuple[int, int]:
    """Read "128 × 96" as (width, height) in pixels; raises `RecipeError` if it is no size."""
    width, _, height = text.replace("x", "×").partition("×")
    return whole_number(width, "width"), whole_number(height, "height")


def size_text(width: int | None, height: int | None) -> str:
    """Write a size in pixels as `size_of` reads it."""
    return f"{width} × {height}"


class Models:
    """The models in use, loaded one at a time, and what their latents look like on the way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fitted: dict[int, tuple[torch.Tensor, Image.Image]] = {}

    def load(self, recipe: Recipe) -> "Pipeline":
        """The model of a recipe; raises `ModelLoadError`."""
        with self._lock:
            return load(
                recipe.model,
                revision=recipe.revision,
                config=recipe.config,
                dtype=recipe.dtype,
                device=recipe.device,
            )

    def preview(self, pipe: "Pipeline", latents: torch.Tensor) -> str:
        """A small picture of latents (1, channels, height, width), as a data URL."""
        if id(pipe) not in self._fitted:
            self._fitted = {id(pipe): self._pair(pipe, latents)}
        pair, picture = self._fitted[id(pipe)]
        return data_url(previews([latents, pair], picture)[0])

    @staticmethod
    @torch.no_grad()
    def _pair(pipe: "Pipeline", latents: torch.Tensor) -> tuple[torch.Tensor, Image.Image]:
        # Noise has every colour, so one decoding of it tells which latent stands for which.
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)).to(latents)
        image, _ = decode(pipe, noise, latents.dtype, torch.Generator())
        return noise, image


def data_url(image: Image.Image) -> str:
    """A small picture as text that a page can show."""
    file = BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def draw(recipe: Recipe, models: Models) -> Iterator[dict[str, Any] | Result]:
    """Draw a recipe: {step, total, seconds, preview} after each call, then the `Result`.

    Closing the iterator stops the run.
    """
    yield {"step": 0, "total": 0, "seconds": 0.0}
    pipe = models.load(recipe)
    started = time.perf_counter()
    for event in run(recipe, pipe=pipe, bins=recipe.steps or 1):
        if isinstance(event, Progress):
            yield {
                "step": event.index + 1,
                "total": event.total,
                "seconds": time.perf_counter() - started,
                "preview": models.preview(pipe, event.latents),
            }
        else:
            yield event
