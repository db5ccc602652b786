"""What a model is drawn with where nobody says: steps, guidance, size, and length of its text."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossattn.pipelines.shipped import SHIPPED, ShippedModel

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


@dataclass(frozen=True)
class ModelDefaults:
    """A model's own choices.

    `height` and `width` are in pixels, and `multiple` is what both must be multiples of.
    `sequence` is the longest text in tokens where the pipeline asks for it (`max_sequence_length`),
    else None.
    """

    steps: int
    guidance: float
    height: int
    width: int
    multiple: int
    sequence: int | None = None


def defaults_of(pipe: "Pipeline") -> ModelDefaults:
    """The choices of a pipeline's model: what ships says its own, others' are their pipeline's."""
    call = inspect.signature(type(pipe).__call__).parameters
    steps, sequence = (_default(call, name) for name in ("num_inference_steps", _SEQUENCE))
    # Qwen-Image's guidance_scale is for models distilled to take it as an input; there are none.
    guidance = _default(call, "guidance_scale") or _default(call, "true_cfg_scale")
    if (shipped := shipped_as(pipe)) is not None:
        steps, guidance = shipped.steps, shipped.guidance
        sequence = shipped.sequence or sequence
    elif type(pipe).__name__ == "FluxPipeline" and not pipe.transformer.config.guidance_embeds:
        # FLUX.1-schnell: distilled to few steps, without guidance.
        steps, guidance, sequence = 4, 0.0, 256
    elif "turbo" in str(pipe.config.get("_name_or_path")).lower():
        # So are these, and their name alone says it.
        steps, guidance = _TURBO.get(type(pipe).__name__, (steps, guidance))
    height, width = _latent_size(pipe)
    factor = pipe.vae_scale_factor
    return ModelDefaults(
        steps=steps,
        guidance=guidance,
        height=height * factor,
        width=width * factor,
        multiple=factor * _patch(pipe),
        sequence=sequence,
    )


def shipped_as(pipe: "Pipeline") -> ShippedModel | None:
    """The model that ships, if it is one, known by the folder that diffusers loaded."""
    loaded = pipe.config.get("_name_or_path")
    ours = (one for one in SHIPPED.values() if loaded and Path(loaded) == one.folder)
    return next(ours, None)


_TURBO = {"StableDiffusion3Pipeline": (4, 0.0), "ZImagePipeline": (8, 0.0)}
_SEQUENCE = "max_sequence_length"
_USUAL = 1024  # pixels, which Z-Image's pipeline has in its code


def _default(call: Any, name: str) -> Any:
    return call[name].default if name in call else None


def _latent_size(pipe: "Pipeline") -> tuple[int, int]:
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    size = denoiser.config.get("sample_size") or getattr(pipe, "default_sample_size", None)
    size = size or _USUAL // pipe.vae_scale_factor
    return (size, size) if isinstance(size, int) else tuple(size)


def _patch(pipe: "Pipeline") -> int:
    """How many latent cells a side of a token has; FLUX's and Z-Image's lie in their pipelines."""
    if not hasattr(pipe, "transformer"):
        return 1
    config = pipe.transformer.config
    if "all_patch_size" in config:
        return int(max(config["all_patch_size"]))
    if "Flux" in type(pipe).__name__:
        return 2
    return int(config.get("patch_size", 1))
