"""Pipelines of transformers as they are published, made small: each can be saved and loaded."""

from collections.abc import Callable
from typing import Any

from tests.conftest import tiny_tokenizer
from tests.crossattn.families.tiny_parts import flow, vae
from tests.crossattn.families.tiny_texts import (
    clip_encoder,
    gemma_tokenizer,
    language_model,
    qwen_tokenizer,
    t5_encoder,
    t5_tokenizer,
)


def clip(pooled: bool = True) -> tuple[Any, Any]:
    """CLIP's text encoder and tokenizer."""
    tokenizer = tiny_tokenizer()
    return clip_encoder(tokenizer, 16, pooled=pooled), tokenizer


def t5() -> tuple[Any, Any]:
    """T5's."""
    tokenizer = t5_tokenizer()
    return t5_encoder(tokenizer, 32), tokenizer


def language(kind: str, tokenizer: Any) -> tuple[Any, Any]:
    """A language model as text encoder, and its tokenizer."""
    return language_model(kind, tokenizer, 32), tokenizer


def sd3() -> Any:
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    (first, one), (second, two), (third, three) = clip(), clip(), t5()
    transformer = SD3Transformer2DModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
    )
    return StableDiffusion3Pipeline(
        transformer, flow(shift=3.0), vae(4), first, one, second, two, third, three
    )


def flux(schnell: bool = False) -> Any:
    from diffusers import FluxPipeline, FluxTransformer2DModel

    (first, one), (second, two) = clip(pooled=False), t5()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=not schnell,
        axes_dims_rope=(4, 4, 8),
    )
    scheduler = flow(use_dynamic_shifting=not schnell)
    return FluxPipeline(scheduler, vae(4), first, one, second, two, transformer)


def pixart(sigma: bool = False) -> Any:
    from diffusers import (
        DPMSolverMultistepScheduler,
        PixArtAlphaPipeline,
        PixArtSigmaPipeline,
        PixArtTransformer2DModel,
    )

    encoder, tokenizer = t5()
    transformer = PixArtTransformer2DModel(
        sample_size=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=32,
        cross_attention_dim=16,
        use_additional_conditions=False,
    )
    kind = PixArtSigmaPipeline if sigma else PixArtAlphaPipeline
    scheduler = DPMSolverMultistepScheduler()
    return kind(tokenizer, encoder, vae(4), transformer, scheduler)


def sana() -> Any:
    from diffusers import (
        AutoencoderDC,
        DPMSolverMultistepScheduler,
        SanaPipeline,
        SanaTransformer2DModel,
    )

    encoder, tokenizer = language("Gemma2", gemma_tokenizer())
    levels = {
        side: {
            f"{side}_block_types": ("ResBlock", "ResBlock"),
            f"{side}_block_out_channels": (4, 4),
            f"{side}_layers_per_block": (1, 1),
            f"{side}_qkv_multiscales": ((), ()),
        }
        for side in ("encoder", "decoder")
    }
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=32,
        sample_size=16,
    )
    return SanaPipeline(
        tokenizer=tokenizer,
        text_encoder=encoder,
        vae=AutoencoderDC(
            in_channels=3, latent_channels=4, **levels["encoder"], **levels["decoder"]
        ),
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True
        ),
    )


def qwen_image() -> Any:
    from diffusers import AutoencoderKLQwenImage, QwenImagePipeline, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 400,
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
    }
    eyes = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
    }
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=eyes)
    )
    vae = AutoencoderKLQwenImage(
        base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True], latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    scheduler = flow(use_dynamic_shifting=True)
    return QwenImagePipeline(scheduler, vae, encoder, qwen_tokenizer(), transformer)


def z_image() -> Any:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[8, 4, 4],
        axes_lens=[64, 32, 32],
    )
    encoder, tokenizer = language("Qwen3", qwen_tokenizer())
    return ZImagePipeline(flow(shift=6.0), vae(4), encoder, tokenizer, transformer)


Own = tuple[int, float, int, int]
"""Steps, guidance, side in pixels, and what sides must be multiples of."""

REAL: dict[str, tuple[Callable[[], Any], Own]] = {
    "SD3": (sd3, (28, 7.0, 128, 16)),
    "FLUX.1-dev": (flux, (28, 3.5, 1024, 16)),
    "FLUX.1-schnell": (lambda: flux(schnell=True), (4, 0.0, 1024, 16)),
    "PixArt α": (pixart, (20, 4.5, 128, 16)),
    "PixArt Σ": (lambda: pixart(sigma=True), (20, 4.5, 128, 16)),
    "Sana": (sana, (20, 4.5, 32, 2)),
    "Qwen-Image": (qwen_image, (50, 4.0, 1024, 16)),
    "Z-Image": (z_image, (50, 5.0, 1024, 16)),
}
