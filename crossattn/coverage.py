"""How much of the picture a word covers: the one share that is told of a word."""

from crossattn.heatmap import HeatMap

COVERED = 0.2
"""A word covers the places where it has more than this of the attention, 0 to 1."""

WEAK = 0.1
"""A word that nowhere has more than this of the attention is weak: its map says hardly anything."""


def coverage(heat: HeatMap, threshold: float = COVERED) -> float:
    """The share of the picture, 0 to 1, where a map of `Trace` exceeds `threshold`.

    It belongs to the map that is shown: what glows counts, and nothing else. Of the shares that
    samples/bench/shares.py holds against the truth of scenes it follows best whether a thing is
    there and how much of the picture it takes, and small words ("a", "left") have none, though
    much attention rests on them.
    """
    return float((heat.data > threshold).float().mean())


def is_weak(heat: HeatMap) -> bool:
    """Whether the word has hardly anywhere more attention than its place among all words gives."""
    return float(heat.data.max()) <= WEAK
