"""What a picture looked like on the way, without running the decoder at every step."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class Preview:
    """What latents would look like, as a small picture, by a linear map that is fitted once.

    `finished` are latents (1, channels, height, width) and `picture` what they decode to. The map
    from a latent pixel to the mean colour that it became is fitted to that pair by least squares,
    so any model will do.
    """

    def __init__(self, finished: Tensor, picture: Image.Image) -> None:
        height, width = finished.shape[-2:]
        small = picture.convert("RGB").resize((width, height), Image.Resampling.BOX)
        colours = torch.from_numpy(np.array(small)).flatten(0, 1).double()  # -> (pixels, 3)
        self._fit = torch.linalg.lstsq(_rows(finished), colours).solution
        self._spread = float(finished.double().std())

    def of(self, latents: Tensor) -> Image.Image:
        """The picture of latents of the same shape, those that are noisier scaled down to them."""
        height, width = latents.shape[-2:]
        scale = min(1.0, self._spread / max(float(latents.double().std()), 1e-9))
        pixels = (_rows(latents * scale) @ self._fit).clamp(0, 255).round().to(torch.uint8)
        return Image.fromarray(pixels.reshape(height, width, 3).numpy())


def _rows(latents: Tensor) -> Tensor:
    rows = latents[0].detach().cpu().double().flatten(1).T
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)
