"""How alike two pictures are, over some of their pixels: MSE, PSNR and SSIM."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

_SIDE, _SIGMA = 11, 1.5


@dataclass(frozen=True)
class Similarity:
    """`mse` of values from 0 to 1, `psnr` in dB (infinite for equal pixels), `ssim` up to 1."""

    mse: float
    psnr: float
    ssim: float


def similarity(
    before: Image.Image, after: Image.Image, where: np.ndarray | None = None
) -> Similarity | None:
    """Compare two pictures of one size where `where`, bool (height, width), is true; None if never.

    As PIE-Bench has it, everything outside is set to black in both, and MSE and PSNR are over the
    pixels inside. SSIM has a Gaussian window of 11 × 11 (Wang et al. 2004), its map averaged over
    the same pixels.
    """
    if where is not None and not where.any():
        return None
    first, second = (_values(one) for one in (before, after))
    inside = torch.ones(first.shape[-2:], dtype=torch.bool)
    if where is not None:
        inside = torch.from_numpy(where)
    first, second = first * inside, second * inside
    mse = float(((first - second) ** 2)[..., inside].mean())
    psnr = math.inf if mse == 0 else -10 * math.log10(mse)
    return Similarity(mse, psnr, float(_ssim(first, second)[..., inside].mean()))


def _values(picture: Image.Image) -> Tensor:
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def _ssim(first: Tensor, second: Tensor) -> Tensor:
    """The map of SSIM (1, 3, height, width) of values from 0 to 1."""
    at = torch.arange(_SIDE, dtype=torch.float64) - _SIDE // 2
    line = torch.exp(-(at**2) / (2 * _SIGMA**2))
    window = (line[:, None] * line / line.sum() ** 2).expand(3, 1, -1, -1)

    def mean(values: Tensor) -> Tensor:
        padded = F.pad(values, (_SIDE // 2,) * 4, mode="reflect")
        return F.conv2d(padded, window, groups=3)

    one, two = mean(first), mean(second)
    spread = mean(first**2) - one**2 + mean(second**2) - two**2
    together = mean(first * second) - one * two
    low, high = 0.01**2, 0.03**2
    alike = (2 * one * two + low) * (2 * together + high)
    return alike / ((one**2 + two**2 + low) * (spread + high))
