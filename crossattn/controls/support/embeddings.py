"""Turning words up and down by their embeddings, as three other systems do it.

Each takes what the text encoder made of the prompt, (tokens, channels), and a weight for each
token, (tokens,), and returns new embeddings; weights of 1 return them as they were.
"""

import math
from collections.abc import Sequence

from torch import Tensor


def a1111(embeds: Tensor, weights: Tensor) -> Tensor:
    """Multiply, then bring the mean back to what it was (AUTOMATIC1111's web UI)."""
    if (weights == 1).all():
        return embeds
    weighted = embeds * weights.to(embeds)[:, None]
    return weighted * (embeds.mean() / weighted.mean())


def comfy(embeds: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """Go away from, or towards, the empty prompt's embeddings (ComfyUI).

    `empty` (tokens, channels) is what the encoder makes of no words.
    """
    weighted = empty + (embeds - empty) * weights.to(embeds)[:, None]
    return weighted.where(weights.to(embeds)[:, None] != 1, embeds)


def compel(
    embeds: Tensor, empty: Tensor, weights: Tensor, without: Sequence[tuple[Tensor, float]] = ()
) -> Tensor:
    """As `comfy`, and blended with the prompt that lacks what is turned down (compel 2).

    `without` has for each stretch of text with a weight below 1 the embeddings (tokens, channels)
    of the prompt with that stretch masked, and the weight w; its part in the blend is
    tan((1 - w) π / 2) against 1: half at 0.5, all at 0.
    """
    if not without:
        return comfy(embeds, empty, weights)
    # In half precision the parts overflow.
    base = empty.float()
    blended, total = comfy(embeds.float(), base, weights), 1.0
    for masked, weight in without:
        # compel's own bound, so that a weight of 0 stays finite.
        part = math.tan((1 - max(weight, 1e-5)) * math.pi / 2)
        blended = blended + comfy(masked.float(), base, weights) * part
        total += part
    return (blended / total).to(embeds.dtype)
