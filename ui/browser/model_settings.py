"""The settings that suit a model: sizes, steps and guidance, read without loading it."""

import inspect
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crossattn.dialects import USUAL, Dialect
from crossattn.errors import CrossattnError
from crossattn.pipelines.load import find_model
from crossattn.pipelines.model_files import read_index
from crossattn.pipelines.pipeline_kinds import PIPELINES
from crossattn.pipelines.shipped import SHIPPED
from crossattn.ui.browser.bounds import LONGEST_SIDE, MOST_STEPS
from crossattn.ui.browser.drawing import size_text

_SHIPPED_SIDE = 128


@dataclass(frozen=True)
class ModelSettings:
    """What a model is drawn with where nobody chose: a side in pixels, steps and guidance.

    `joint` says whether text and image share one attention.
    """

    side: int
    steps: int
    guidance: float
    joint: bool = False

    @property
    def dialect(self) -> Dialect:
        """What weights do in the model unless told."""
        return "difference" if self.joint else USUAL

    @property
    def sizes(self) -> list[str]:
        """Square, landscape and portrait of about the same area."""
        long, short = self.side * 5 // 4 // 8 * 8, self.side * 3 // 4 // 8 * 8
        shapes = (self.side, self.side), (long, short), (short, long)
        return [size_text(*shape) for shape in shapes]


def settings_of(model: str) -> ModelSettings:
    """Those of a model; where its files do not say, those of Stable Diffusion."""
    if model in SHIPPED:
        own = SHIPPED[model]
        return ModelSettings(_SHIPPED_SIDE, own.steps, own.guidance, own.sequence is not None)
    try:
        folder = find_model(model).folder
        kind = str(read_index(folder)["_class_name"])
        denoiser = PIPELINES[kind].denoiser
        size = _config(folder / denoiser)["sample_size"]
        factor = 2 ** (len(_config(folder / "vae")["block_out_channels"]) - 1)
    except (CrossattnError, OSError, ValueError, KeyError):
        return ModelSettings(512, *_usual("StableDiffusionPipeline"))
    side = (size if isinstance(size, int) else max(size)) * factor
    steps, guidance = _usual(kind)
    joint = denoiser == "transformer"
    return ModelSettings(min(max(side, 64), LONGEST_SIDE), min(steps, MOST_STEPS), guidance, joint)


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


@cache
def _usual(kind: str) -> tuple[int, float]:
    import diffusers

    call = inspect.signature(getattr(diffusers, kind).__call__).parameters
    return call["num_inference_steps"].default, call["guidance_scale"].default
