"""Pipelines of transformers as they are published, made small: each can be saved and loaded."""

import string
from collections.abc import Callable
from typing import Any

from tests.conftest import tiny_tokenizer

LETTERS = [letter for letter in string.printable if not letter.isspace()]


def flow(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def autoencoder(levels: int = 4) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        shift_factor=0.0,
    )


def clip(pooled: bool = True) -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = tiny_tokenizer()
    size = {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 16}
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), num_hidden_layers=2, num_attention_heads=2, **size
    )
    return (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config), tokenizer


def t5() -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    tokenizer = T5Tokenizer(vocab=[(piece, -1.0) for piece in pieces], extra_ids=0)
    size = {"d_model": 32, "d_kv": 8, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    return T5EncoderModel(T5Config(vocab_size=len(tokenizer), **size)), tokenizer


def qwen_tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    letters = {letter: number for number, letter in enumerate([*LETTERS, "Ġ", "<|endoftext|>"])}
    tokenizer = Qwen2Tokenizer(vocab=letters, merges=[])
    tokenizer.chat_template = "user: {{ messages[0].content }} {% if enable_thinking %}?{% endif %}"
    return tokenizer


def small_lm(kind: str) -> Any:
    import transformers

    size = {"hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 200}
    config = getattr(transformers, f"{kind}Config")(**size, **heads)
    return getattr(transformers, f"{kind}Model")(config)


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
        transformer, flow(shift=3.0), autoencoder(), first, one, second, two, third, three
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
    return FluxPipeline(scheduler, autoencoder(), first, one, second, two, transformer)


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
    return kind(tokenizer, encoder, autoencoder(), transformer, scheduler)


def sana() -> Any:
    from diffusers import (
        AutoencoderDC,
        DPMSolverMultistepScheduler,
        SanaPipeline,
        SanaTransformer2DModel,
    )
    from transformers import GemmaTokenizer

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *LETTERS]
    levels = {
        side: {
            f"{side}_block_types": ("ResBlock", "ResBlock"),
            f"{side}_block_out_channels": (4, 4),
            f"{side}_layers_per_block": (1, 1),
            f"{side}_qkv_multiscales": ((), ()),
        }
        for side in ("encoder", "decoder")
    }
    vae = AutoencoderDC(in_channels=3, latent_channels=4, **levels["encoder"], **levels["decoder"])
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
        tokenizer=GemmaTokenizer(vocab={piece: n for n, piece in enumerate(pieces)}, merges=[]),
        text_encoder=small_lm("Gemma2"),
        vae=vae,
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
        "vocab_size": 200,
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
    return ZImagePipeline(
        flow(shift=6.0), autoencoder(), small_lm("Qwen3"), qwen_tokenizer(), transformer
    )


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
