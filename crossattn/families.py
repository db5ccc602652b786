"""The families of models that are served: all that the library knows of each."""

from typing import Any

from crossattn.family import Encoder, Family
from crossattn.inputs import Inputs, PackedInputs


def _unet_block(name: str) -> str:
    block, index, *_ = name.split(".")
    return "mid" if block == "mid_block" else f"{block.removesuffix('_blocks')}.{index}"


def _unet_level(block: str, denoiser: Any) -> int:
    """Every down block but the last ends in a halving."""
    deepest = len(denoiser.down_blocks) - 1
    side, _, index = block.partition(".")
    if side == "mid":
        return deepest
    return int(index) if side == "down" else deepest - int(index)


def _transformer_block(name: str) -> str:
    """Its blocks as "blocks.0"; where there are several kinds, as "joint.0" and "single.0"."""
    blocks, index, *_ = name.split(".")
    kind = blocks.removesuffix("_blocks").removesuffix("transformer").removesuffix("_")
    return f"{kind or 'blocks'}.{index}"


def _patch_level(block: str, denoiser: Any) -> int:
    return (int(denoiser.config.patch_size) - 1).bit_length()


def _packed_level(block: str, denoiser: Any) -> int:
    return 1


FAMILIES = (
    # SD1.x, SD2.x, SDXL and everything built on their UNet. An IP-Adapter's processor attends to
    # the text first, then to each of its pictures.
    Family(
        "UNet2DConditionModel",
        ("Attention",),
        {"AttnProcessor2_0": 0, "FusedAttnProcessor2_0": 0, "IPAdapterAttnProcessor2_0": 0},
        _unet_block,
        _unet_level,
        Inputs("sample"),
    ),
    # PixArt α and Σ.
    Family(
        "PixArtTransformer2DModel",
        ("Attention",),
        {"AttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        Inputs(),
        encoders=(Encoder("t5", start=False, lowered=True, length="max_sequence_length"),),
        masked=True,
    ),
    # Stable Diffusion 3 and 3.5. Some blocks of 3.5 have a second attention, of the image alone.
    Family(
        "SD3Transformer2DModel",
        ("Attention",),
        {"JointAttnProcessor2_0": 0, "FusedJointAttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        Inputs(),
        encoders=(
            Encoder("clip"),
            Encoder("clip-2", "tokenizer_2", "text_encoder_2"),
            Encoder(
                "t5",
                "tokenizer_3",
                "text_encoder_3",
                start=False,
                length="max_sequence_length",
                behind="clip",
            ),
        ),
        order="image-text",
        alone=(".attn2",),
    ),
    # FLUX.1. Its CLIP gives a pooled vector alone, which no pixel attends to.
    Family(
        "FluxTransformer2DModel",
        ("FluxAttention",),
        {"FluxAttnProcessor": 0},
        _transformer_block,
        _packed_level,
        PackedInputs(),
        encoders=(
            Encoder(
                "t5", "tokenizer_2", "text_encoder_2", start=False, length="max_sequence_length"
            ),
        ),
        order="text-image",
    ),
)
