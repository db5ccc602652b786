"""Which block of a denoiser a layer stands in, and how often its grid halves the latent's."""

from typing import Any


def unet_block(name: str) -> str:
    block, index, *_ = name.split(".")
    return "mid" if block == "mid_block" else f"{block.removesuffix('_blocks')}.{index}"


def unet_level(block: str, denoiser: Any) -> int:
    """Every down block but the last ends in a halving."""
    deepest = len(denoiser.down_blocks) - 1
    side, _, index = block.partition(".")
    if side == "mid":
        return deepest
    return int(index) if side == "down" else deepest - int(index)


def transformer_block(name: str) -> str:
    """Its blocks as "blocks.0"; where there are several kinds, as "joint.0" and "single.0"."""
    blocks, index, *_ = name.split(".")
    kind = blocks.removesuffix("_blocks").removesuffix("transformer").removesuffix("_")
    return f"{kind or 'blocks'}.{index}"


def flux_block(name: str) -> str:
    """Its blocks as FLUX's authors call them: "double.0" and "single.0"."""
    return transformer_block(name).replace("blocks.", "double.")


def patch_level(block: str, denoiser: Any) -> int:
    return (int(denoiser.config.patch_size) - 1).bit_length()


def video_level(block: str, denoiser: Any) -> int:
    patch = denoiser.config.patch_size
    return (int(patch if isinstance(patch, int) else patch[1]) - 1).bit_length()


def packed_level(block: str, denoiser: Any) -> int:
    return 1
