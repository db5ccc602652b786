"""A tiny pipeline of each family with random weights, and what each is drawn with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from tiny_texts import clip_encoder, t5_encoder, t5_tokenizer

from tests.conftest import tiny_tokenizer

PROMPT = "a red car left of a blue balloon on grass"


@dataclass(frozen=True)
class Tiny:
    """A pipeline and how it is run: 48 × 64 pixels, guided where the family can be.

    `text` names the encoders whose tokens are attended to, `joint` says whether pixels attend to
    each other in the same softmax, `guided` by which settings guidance is asked for and `alone` by
    which it is left out.
    """

    make: Callable[[], Any]
    text: tuple[str, ...]
    joint: bool
    guided: dict[str, Any] | None = field(default_factory=lambda: {"guidance_scale": 4.0})
    alone: dict[str, Any] = field(default_factory=lambda: {"guidance_scale": 1.0})
    settings: dict[str, Any] = field(default_factory=dict)


def sharpened(denoiser: Any, by: float = 4.0) -> Any:
    """The same with queries that tell keys apart, so that maps are not flat."""
    with torch.no_grad():
        for name, weights in denoiser.named_parameters():
            if name.endswith(("to_q.weight", "add_q_proj.weight", "norm_q.weight")):
                weights.mul_(by)
            if "norm" not in name and weights.ndim == 1 and "gate" not in name:
                weights.normal_(0, 0.02)
    return denoiser.eval()


def vae(latents: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=latents,
        norm_num_groups=2,
        sample_size=64,
        shift_factor=0.0,
        scaling_factor=1.0,
    ).eval()


def flow() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler()


def sd3() -> Any:
    """Stable Diffusion 3.5: two CLIPs side by side and T5 behind them; a block of two attentions."""
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    clip, t5 = tiny_tokenizer(), t5_tokenizer()
    torch.manual_seed(0)
    denoiser = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        out_channels=4,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=clip_encoder(clip, 16),
        tokenizer=clip,
        text_encoder_2=clip_encoder(clip, 16, seed=3),
        tokenizer_2=clip,
        text_encoder_3=t5_encoder(t5, 32),
        tokenizer_3=t5,
    )


def flux() -> Any:
    """FLUX.1: T5 before the image, in double blocks and in single ones."""
    from diffusers import FluxPipeline, FluxTransformer2DModel

    clip, t5 = tiny_tokenizer(), t5_tokenizer()
    torch.manual_seed(0)
    denoiser = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    return FluxPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=clip_encoder(clip, 16, pooled=False),
        tokenizer=clip,
        text_encoder_2=t5_encoder(t5, 32),
        tokenizer_2=t5,
    )


def pixart() -> Any:
    """PixArt α: cross-attention to T5, masked, its text lower-cased."""
    from diffusers import DDIMScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

    t5 = t5_tokenizer()
    torch.manual_seed(0)
    denoiser = PixArtTransformer2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,
        use_additional_conditions=False,
    )
    return PixArtAlphaPipeline(
        tokenizer=t5,
        text_encoder=t5_encoder(t5, 32),
        vae=vae(4),
        transformer=sharpened(denoiser),
        scheduler=DDIMScheduler(),
    )


TINY = {
    "sd3": Tiny(sd3, ("clip", "clip-2", "t5"), joint=True, settings={"max_sequence_length": 40}),
    "flux": Tiny(
        flux,
        ("t5",),
        joint=True,
        guided={"true_cfg_scale": 4.0, "negative_prompt": "blue"},
        alone={},
        settings={"max_sequence_length": 40},
    ),
    "pixart": Tiny(
        pixart,
        ("t5",),
        joint=False,
        settings={"use_resolution_binning": False, "clean_caption": False},
    ),
}
