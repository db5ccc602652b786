"""What the tiny pipelines are made of beside their texts."""

from typing import Any

import torch


def sharpened(denoiser: Any, by: float = 4.0) -> Any:
    """The same with queries that tell keys apart, and blocks whose attention makes a difference.

    So maps are not flat, and an edit is far above what rounding does.
    """
    with torch.no_grad():
        for name, weights in denoiser.named_parameters():
            if name.endswith(("to_q.weight", "add_q_proj.weight", "norm_q.weight")):
                weights.mul_(by)
            modulates = "norm" in name or "adaLN" in name or "modulation" in name
            if modulates and name.endswith(("linear.weight", "1.weight", "0.weight")):
                weights.mul_(10)
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


def flux2_vae() -> Any:
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
    ).eval()


def flow(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)
