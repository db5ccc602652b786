"""Pipelines with random weights, made in memory: real sizes to measure on, a tiny one to check."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

PROMPT = "a red car left of a blue balloon on grass"
# A prime, so that rows of weights drawn from one block of noise do not repeat in step.
NOISE = 1_048_573


def sd15(dtype: torch.dtype) -> StableDiffusionPipeline:
    """Stable Diffusion 1.5 with its UNet at full size; text encoder and autoencoder are tiny."""
    unet = _made(
        lambda: UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            cross_attention_dim=768,
            attention_head_dim=8,
        ),
        dtype,
    )
    return _sd(unet, _text_encoder(CLIPTextModel, 768, dtype))


def sdxl(dtype: torch.dtype) -> StableDiffusionXLPipeline:
    """Stable Diffusion XL with its UNet at full size; text encoders and autoencoder are tiny."""
    unet = _made(
        lambda: UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            cross_attention_dim=2048,
            attention_head_dim=(5, 10, 20),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        ),
        dtype,
    )
    pipe = StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(CLIPTextModel, 768, dtype),
        text_encoder_2=_text_encoder(CLIPTextModelWithProjection, 1280, dtype),
        tokenizer=_tokenizer(PROMPT),
        tokenizer_2=_tokenizer(PROMPT),
        unet=unet,
        scheduler=_scheduler(),
        add_watermarker=False,
    )
    return _quiet(pipe)


def sd3(dtype: torch.dtype) -> StableDiffusion3Pipeline:
    """Stable Diffusion 3's shape, a third as deep and wide: 8 blocks of 8 heads, 64 channels each.

    The sequence is as long as there, 256 zeros in T5's place included.
    """
    transformer = _made(
        lambda: SD3Transformer2DModel(
            sample_size=64,
            patch_size=2,
            in_channels=16,
            num_layers=8,
            num_attention_heads=8,
            attention_head_dim=64,
            joint_attention_dim=512,
            caption_projection_dim=512,
            pooled_projection_dim=256,
            out_channels=16,
        ),
        dtype,
    )
    pipe = StableDiffusion3Pipeline(
        vae=_autoencoder(channels=16),
        text_encoder=_text_encoder(CLIPTextModelWithProjection, 128, dtype),
        text_encoder_2=_text_encoder(CLIPTextModelWithProjection, 128, dtype),
        text_encoder_3=None,
        tokenizer=_tokenizer(PROMPT),
        tokenizer_2=_tokenizer(PROMPT),
        tokenizer_3=None,
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    return _quiet(pipe)


def tiny() -> StableDiffusionPipeline:
    """Stable Diffusion 1.5's shape at 512 × 512 with few channels, and attention that is not flat.

    The weights are the same on every machine and in every version of torch.
    """
    unet = _made(
        lambda: UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(8, 8, 16, 16),
            layers_per_block=1,
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        )
    )
    for name, parameter in unet.named_parameters():
        if name.endswith(("attn2.to_q.weight", "attn2.to_k.weight")):
            parameter.data *= 2
    return _sd(unet, _text_encoder(CLIPTextModel, 16))


def narrow() -> StableDiffusionPipeline:
    """Stable Diffusion 1.5's UNet with 16 channels and 2 heads: all launches, little arithmetic."""
    unet = _made(
        lambda: UNet2DConditionModel(
            sample_size=32,
            block_out_channels=(16, 16, 16, 16),
            cross_attention_dim=16,
            attention_head_dim=2,
            norm_num_groups=4,
        )
    )
    return _sd(unet, _text_encoder(CLIPTextModel, 16))


def _made(build: Callable[[], Any], dtype: torch.dtype = torch.float32) -> Any:
    """A module filled from one block of noise: seconds, where torch's own filling takes minutes."""
    with torch.device("meta"):
        module = torch.nn.Module.to(build(), dtype)
    return _filled(module.to_empty(device="cpu"))


def _filled(module: Any) -> Any:
    noise = torch.from_numpy(np.random.RandomState(0).standard_normal(NOISE)).float()
    start = 0
    for name, parameter in sorted(module.named_parameters()):
        values = noise.roll(-start).repeat(-(-parameter.numel() // NOISE))[: parameter.numel()]
        start = (start + parameter.numel()) % NOISE
        if parameter.ndim == 1:
            values = 0.1 * values + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        else:
            values *= parameter[0].numel() ** -0.5
        parameter.data.copy_(values.view_as(parameter))
    return module.eval().requires_grad_(False)


def _sd(unet: Any, text_encoder: Any) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=text_encoder,
        tokenizer=_tokenizer(PROMPT),
        unet=unet,
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _quiet(pipe)


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _text_encoder(kind: type, width: int, dtype: torch.dtype = torch.float32) -> Any:
    tokenizer = _tokenizer(PROMPT)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return torch.nn.Module.to(_filled(kind(config)), dtype)


def _tokenizer(text: str) -> CLIPTokenizer:
    """A CLIP tokenizer to which each word of `text` is one token, other words several."""
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges: dict[tuple[str, str], str] = {}
    for word in text.split():
        *head, last = word
        built, *rest = [*head, f"{last}</w>"]
        for symbol in rest:
            merges[built, symbol] = built + symbol
            built += symbol
    pieces += [*merges.values(), "<|startoftext|>", "<|endoftext|>"]
    vocab = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocab, merges=list(merges), model_max_length=77)


def _autoencoder(channels: int = 4) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
    )


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
