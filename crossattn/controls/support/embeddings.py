"""Turning words up and down by their embeddings: as three other systems do it, and as this one.

Each takes what the text encoder made of the prompt, (tokens, channels), and a weight for each
token, (tokens,), and returns new embeddings of the same precision, computed in float32 at least;
weights of 1 return the very ones that were given.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def a1111(embeds: Tensor, weights: Tensor) -> Tensor:
    """Multiply, then bring the mean back to what it was (AUTOMATIC1111's web UI)."""
    if (weights == 1).all():
        return embeds
    wide = _widened(embeds)
    weighted = wide * weights.to(wide)[:, None]
    mean = weighted.mean()
    # Weights of 0 alone leave nothing that could be brought back.
    kept = torch.where(mean == 0, 1.0, wide.mean() / mean)
    return (weighted * kept).to(embeds.dtype)


def comfy(embeds: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """Go away from, or towards, the empty prompt's embeddings (ComfyUI).

    `empty` (tokens, channels) is what the encoder makes of no words.
    """
    if (weights == 1).all():
        return embeds
    return _away(_widened(embeds), _widened(empty), weights).to(embeds.dtype)


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
    base = _widened(empty)
    blended, total = _away(_widened(embeds), base, weights), 1.0
    for masked, weight in without:
        # compel's own bound, so that a weight of 0 stays finite.
        part = math.tan((1 - max(weight, 1e-5)) * math.pi / 2)
        blended = blended + _away(_widened(masked), base, weights) * part
        total += part
    return (blended / total).to(embeds.dtype)


def difference(embeds: Tensor, without: Sequence[tuple[Tensor, float]]) -> Tensor:
    """Go away from, or towards, the prompt without the words that are weighed.

    `without` has for all words of one weight w what the encoder makes of the prompt without them,
    (tokens, channels), each token beside the same word's; all tokens become e₋ + w (e - e₋), for
    in a text encoder words say what they mean in the tokens behind them too. Several weights add
    up. samples/bench/weights_truth.py compares it with the others.
    """
    wide = _widened(embeds)
    moved = sum(((wide - _widened(each)) * (weight - 1) for each, weight in without), wide)
    return moved.to(embeds.dtype) if without else embeds


def _away(embeds: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    each = weights.to(embeds)[:, None]
    return (empty + (embeds - empty) * each).where(each != 1, embeds)


def _widened(embeds: Tensor) -> Tensor:
    return embeds.to(torch.promote_types(embeds.dtype, torch.float32))
