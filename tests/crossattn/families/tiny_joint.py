"""Tiny pipelines of joint-attention transformers, with random weights."""

from typing import Any

import torch
from tiny_parts import flow, flux2_vae, sharpened, vae
from tiny_texts import (
    clip_encoder,
    gemma_tokenizer,
    language_model,
    qwen_tokenizer,
    t5_encoder,
    t5_tokenizer,
)

from tests.conftest import tiny_tokenizer


def sd3() -> Any:
    """Stable Diffusion 3.5: two CLIPs side by side, T5 behind them; a block of two attentions."""
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
        transformer=sharpened(denoiser, 3.0),
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


def _flux2_denoiser(guided: bool) -> Any:
    from diffusers import Flux2Transformer2DModel

    torch.manual_seed(0)
    denoiser = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        axes_dims_rope=(4, 4, 4, 4),
        timestep_guidance_channels=16,
        guidance_embeds=guided,
    )
    return sharpened(denoiser)


def flux2() -> Any:
    """FLUX.2 klein: a language model before the image, single blocks of fused projections."""
    from diffusers import Flux2KleinPipeline

    qwen = qwen_tokenizer()
    return Flux2KleinPipeline(
        transformer=_flux2_denoiser(guided=False),
        scheduler=flow(),
        vae=flux2_vae(),
        text_encoder=language_model("Qwen3", qwen, 16, layers=28),
        tokenizer=qwen,
    )


def flux2_dev() -> Any:
    """FLUX.2 dev: the prompt stands behind what the system says; guidance is an input."""
    from diffusers import Flux2Pipeline

    qwen = qwen_tokenizer()
    qwen.chat_template = "{% for m in messages %}<|im_start|>{{ m.content[0].text }}{% endfor %}"
    return Flux2Pipeline(
        transformer=_flux2_denoiser(guided=True),
        scheduler=flow(),
        vae=flux2_vae(),
        text_encoder=language_model("Qwen3", qwen, 16, layers=31),
        tokenizer=qwen,
    )


def chroma() -> Any:
    """Chroma: FLUX.1's blocks with a mask over T5's padding."""
    from diffusers import ChromaPipeline, ChromaTransformer2DModel

    t5 = t5_tokenizer()
    torch.manual_seed(0)
    denoiser = ChromaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
        approximator_num_channels=8,
        approximator_hidden_dim=8,
        approximator_layers=1,
    )
    return ChromaPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=t5_encoder(t5, 32),
        tokenizer=t5,
    )


def qwen_image() -> Any:
    """Qwen-Image: what stands in its template before the prompt is dropped."""
    from diffusers import QwenImagePipeline, QwenImageTransformer2DModel

    qwen = qwen_tokenizer()
    torch.manual_seed(0)
    denoiser = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    pipe = QwenImagePipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=None,
        text_encoder=language_model("Qwen2", qwen, 16),
        tokenizer=qwen,
    )
    # As in the real tokenizer, all of the template before the prompt is dropped.
    before = pipe.prompt_template_encode.split("{}")[0]
    pipe.prompt_template_encode_start_idx = len(qwen.encode(before))
    return pipe


def z_image() -> Any:
    """Z-Image: image, then text, each filled up to 32 tokens; guided rows come second."""
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    qwen = qwen_tokenizer()
    torch.manual_seed(0)
    denoiser = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[4, 4, 8],
        axes_lens=[512, 64, 64],
    )
    return ZImagePipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=language_model("Qwen3", qwen, 16),
        tokenizer=qwen,
    )


def aura_flow() -> Any:
    """AuraFlow: eight tokens of the model's own before T5 and the image; two kinds of blocks."""
    from diffusers import AuraFlowPipeline, AuraFlowTransformer2DModel

    t5 = t5_tokenizer()
    torch.manual_seed(0)
    denoiser = AuraFlowTransformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        out_channels=4,
        pos_embed_max_size=64,
    )
    return AuraFlowPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=t5_encoder(t5, 32),
        tokenizer=t5,
    )


def lumina2() -> Any:
    """Lumina 2: as much of the text as there is before the image; grouped keys and values."""
    from diffusers import Lumina2Pipeline, Lumina2Transformer2DModel

    gemma = gemma_tokenizer()
    torch.manual_seed(0)
    denoiser = Lumina2Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        hidden_size=32,
        num_layers=2,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        axes_dim_rope=(4, 4, 8),
        axes_lens=(512, 64, 64),
        cap_feat_dim=16,
    )
    return Lumina2Pipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=language_model("Gemma2", gemma, 16),
        tokenizer=gemma,
    )
