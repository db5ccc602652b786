"""How pipelines with a transformer are asked, where they differ from those with a UNet."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from crossattn.errors import UnsupportedModelError
from crossattn.pipelines.called import draws_by_call
from crossattn.pipelines.model_defaults import defaults_of

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline


def is_joint(pipe: "Pipeline") -> bool:
    """Whether a transformer denoises; in most of them words and picture share one sequence."""
    return hasattr(pipe, "transformer")


def check_drawn(pipe: "Pipeline") -> None:
    """Raise UnsupportedModelError for a pipeline that recipes do not draw with."""
    if is_joint(pipe) and not _is_sd3(pipe) and not draws_by_call(pipe):
        raise UnsupportedModelError(
            f"Recipes do not draw with a {type(pipe).__name__}: attach to it and call it yourself, "
            "or use Stable Diffusion, FLUX.1, PixArt, Sana, Qwen-Image or Z-Image."
        )


def check_walked(pipe: "Pipeline") -> None:
    """Raise UnsupportedModelError for a pipeline that takes up no picture that exists."""
    if is_joint(pipe) and not _is_sd3(pipe):
        raise UnsupportedModelError(
            f"A {type(pipe).__name__} draws pictures, but takes up none that exists: Stable "
            "Diffusion 1, 2, XL and 3 do."
        )


def _is_sd3(pipe: "Pipeline") -> bool:
    return "text_encoder_3" in pipe.components


def denoiser_of(pipe: "Pipeline") -> Any:
    """The part of a pipeline that denoises."""
    return pipe.transformer if is_joint(pipe) else pipe.unet


def follows_flow(scheduler: Any) -> bool:
    """Whether a scheduler walks a flow from noise to picture rather than a diffusion back."""
    flows = scheduler.config.get("prediction_type") == "flow_prediction"
    return flows or type(scheduler).__name__.startswith("FlowMatch")


def text_options(pipe: "Pipeline") -> dict[str, Any]:
    """What the encoding of a prompt must be told besides."""
    if not is_joint(pipe):
        return {}
    return {
        "prompt_2": None,
        "prompt_3": None,
        "max_sequence_length": defaults_of(pipe).sequence,
    }


def flow_shift(pipe: "Pipeline", height: int, width: int) -> dict[str, float]:
    """What the scheduler must be told of a picture of `height` x `width` pixels: the shift of its
    noise levels, where that depends on the size."""
    config = pipe.scheduler.config
    if not config.get("use_dynamic_shifting"):
        return {}
    from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

    side = pipe.vae_scale_factor * pipe.transformer.config.patch_size
    few, many = config.base_image_seq_len, config.max_image_seq_len
    tokens = (height // side) * (width // side)
    return {"mu": calculate_shift(tokens, few, many, config.base_shift, config.max_shift)}


def velocity(
    pipe: "Pipeline", rows: Tensor, timestep: Tensor, embeds: Tensor, pooled: Tensor | None
) -> Tensor:
    """Where the flow leads from latents `rows`, for text (rows, tokens, channels) and as a whole
    (rows, channels)."""
    said: Tensor = pipe.transformer(
        hidden_states=rows,
        timestep=timestep.expand(len(rows)),
        encoder_hidden_states=embeds,
        pooled_projections=pooled,
        return_dict=False,
    )[0]
    return said


def decode_joint(pipe: "Pipeline", latents: Tensor) -> Tensor:
    """The picture (1, 3, height, width), -1 to 1, of latents."""
    config = pipe.vae.config
    image: Tensor = pipe.vae.decode(
        latents / config.scaling_factor + config.shift_factor, return_dict=False
    )[0]
    return image
