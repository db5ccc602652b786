"""Where a token stands: attention ignores order, so its inputs must carry it."""

import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms.scores import widen


def sinusoidal(positions: Tensor, width: int, base: float = 10_000.0) -> Tensor:
    """Encode positions as waves of falling frequency, to be added to a sequence.

    positions (n,) in tokens, whole or fractional, give (n, width) with `sin(p·base^(-2i/width))` at
    channel 2i and the cosine at 2i + 1, in O(n·d). Raises ControlError if the width is odd. Source:
    Vaswani et al. 2017.
    """
    angles = _angles(positions, width, base)
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(-2)


def rotary(tensor: Tensor, positions: Tensor, base: float = 10_000.0) -> Tensor:
    """Turn queries or keys by their position, so that their product knows only the distance.

    tensor (..., n, d) at positions (n,) in tokens gives (..., n, d): channels 2i and 2i + 1 turn by
    the angle `p·base^(-2i/d)`, in O(n·d). Raises ControlError if the width is odd. Source: Su et
    al. 2021, RoFormer; FLUX and Lumina pair the channels the same way.
    """
    wide = widen(tensor)
    angles = _angles(positions.to(wide.dtype), wide.shape[-1], base)
    sine, cosine = angles.sin(), angles.cos()
    even, odd = torch.unflatten(wide, -1, (-1, 2)).unbind(-1)  # (..., n, d/2) each
    turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1)
    return turned.flatten(-2).to(tensor.dtype)


def _angles(positions: Tensor, width: int, base: float) -> Tensor:
    if width % 2:
        raise ControlError(f"Positions fill pairs of channels, so the width must be even: {width}.")
    place = positions if positions.is_floating_point() else positions.to(torch.get_default_dtype())
    channel = torch.arange(0, width, 2, dtype=place.dtype, device=place.device)
    return place[:, None] * base ** (-channel / width)  # (n, width/2), radians
