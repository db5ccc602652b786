"""Tiny pipelines of models that draw videos, with random weights: two latent frames of 5 or 9."""

from typing import Any

import torch
from tiny_parts import flow, sharpened
from tiny_texts import t5_encoder, t5_tokenizer


def _drawing(kind: type, denoiser: Any, scheduler: Any) -> Any:
    """A pipeline that reads its prompts with T5 and decodes nothing."""
    t5 = t5_tokenizer()
    parts = {"tokenizer": t5, "text_encoder": t5_encoder(t5, 32), "vae": None}
    return kind(**parts, transformer=denoiser, scheduler=scheduler)


def wan() -> Any:
    """Wan: cross-attention to T5 with zeros behind it; sides in calls of their own."""
    from diffusers import WanPipeline, WanTransformer3DModel

    torch.manual_seed(0)
    denoiser = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=32,
        freq_dim=16,
        ffn_dim=16,
        num_layers=2,
        rope_max_seq_len=32,
    )
    return _drawing(WanPipeline, sharpened(denoiser, 2.0), flow())


def ltx() -> Any:
    """LTX-Video: packed latents, cross-attention to T5 behind a mask."""
    from diffusers import LTXPipeline, LTXVideoTransformer3DModel

    torch.manual_seed(0)
    denoiser = LTXVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        num_layers=2,
        caption_channels=32,
    )
    return _drawing(LTXPipeline, sharpened(denoiser), flow())


def cogvideox() -> Any:
    """CogVideoX: joint attention, T5 before the pixels of all frames."""
    from diffusers import CogVideoXDDIMScheduler, CogVideoXPipeline, CogVideoXTransformer3DModel

    torch.manual_seed(0)
    denoiser = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=32,
        num_layers=2,
        sample_width=8,
        sample_height=6,
        sample_frames=5,
        max_text_seq_length=40,
        use_rotary_positional_embeddings=True,
    )
    return _drawing(CogVideoXPipeline, sharpened(denoiser), CogVideoXDDIMScheduler())
