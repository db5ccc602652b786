"""Tiny pipelines of cross-attention transformers, with random weights."""

from typing import Any

import torch
from tiny_parts import flow, sharpened, vae
from tiny_texts import (
    bert_encoder,
    bert_tokenizer,
    gemma_tokenizer,
    language_model,
    t5_encoder,
    t5_tokenizer,
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


def sana() -> Any:
    """Sana: cross-attention to Gemma, of whose long instruction two tokens are kept."""
    from diffusers import SanaPipeline, SanaTransformer2DModel

    gemma = gemma_tokenizer()
    torch.manual_seed(0)
    denoiser = SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        sample_size=8,
    )
    return SanaPipeline(
        tokenizer=gemma,
        text_encoder=language_model("Gemma2", gemma, 16),
        vae=None,
        transformer=sharpened(denoiser),
        scheduler=flow(),
    )


def lumina_next() -> Any:
    """Lumina-Next: cross-attention to Gemma through a gate, guided rows first."""
    from diffusers import LuminaNextDiT2DModel, LuminaPipeline

    gemma = gemma_tokenizer()
    torch.manual_seed(0)
    denoiser = LuminaNextDiT2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        hidden_size=16,
        num_layers=2,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        cross_attention_dim=16,
    )
    for name, weights in denoiser.named_parameters():
        if name.endswith((".gate", "pad_token")):
            weights.data.fill_(1.0)
    return LuminaPipeline(
        tokenizer=gemma,
        text_encoder=language_model("Gemma", gemma, 16),
        vae=vae(4),
        transformer=sharpened(denoiser),
        scheduler=flow(),
    )


def hunyuan() -> Any:
    """HunyuanDiT: cross-attention to BERT with T5 behind it, of channels of their own."""
    from diffusers import DDIMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline

    bert, t5 = bert_tokenizer(), t5_tokenizer(256)
    torch.manual_seed(0)
    denoiser = HunyuanDiT2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        cross_attention_dim=16,
        cross_attention_dim_t5=32,
        pooled_projection_dim=16,
        hidden_size=16,
        activation_fn="gelu-approximate",
    )
    return HunyuanDiTPipeline(
        transformer=sharpened(denoiser),
        scheduler=DDIMScheduler(),
        vae=vae(4),
        text_encoder=bert_encoder(bert, 16),
        tokenizer=bert,
        text_encoder_2=t5_encoder(t5, 32),
        tokenizer_2=t5,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
