"""What a picture looked like on the way, without running the decoder at every step."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def previews(latents: Sequence[Tensor], picture: Image.Image) -> list[Image.Image]:
    """Return a small picture for each of a run's latents (1, channels, height, width).

    The last must be the finished ones, and `picture` what they decode to. The linear map from a
    latent pixel to the mean colour that it became is fitted to that pair by least squares, so any
    model will do; noisier latents are scaled to the finished ones' spread.
    """
    finished = latents[-1]
    height, width = finished.shape[-2:]
    small = picture.convert("RGB").resize((width, height), Image.Resampling.BOX)
    colours = torch.from_numpy(np.array(small)).flatten(0, 1).double()  # -> (pixels, 3)
    fit = torch.linalg.lstsq(_rows(finished), colours).solution
    spread = float(finished.double().std())
    return [
        _picture(
            _rows(one * min(1.0, spread / max(float(one.double().std()), 1e-9))) @ fit,
            height,
            width,
        )
        for one in latents
    ]


def _rows(latents: Tensor) -> Tensor:
    rows = latents[0].detach().cpu().double().flatten(1).T
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)


def _picture(colours: Tensor, height: int, width: int) -> Image.Image:
    pixels = colours.clamp(0, 255).round().to(torch.uint8).reshape(height, width, 3)
    return Image.fromarray(pixels.numpy())
