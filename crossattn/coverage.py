"""How much of the picture a word covers: the one share that is told of a word."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossattn.heatmap import HeatMap

COVERED = 0.2
"""A word covers the places where it has more than this of the text's attention, 0 to 1."""

WEAK = COVERED
"""A word that nowhere has more than this of it is weak: it covers nothing, and is drawn faintly."""

MEANING = (
    "A word covers the places where it has more than a fifth of the attention that the text gets."
)
"""What the share is, in one sentence for people."""


def coverage(heat: "HeatMap") -> float:
    """The share of the picture, 0 to 1, that a map of `Trace` covers (see `MEANING`).

    It belongs to the map that is shown: what glows counts, and nothing else. Of the shares that
    samples/bench/shares.py holds against the truth of scenes it follows best whether a thing is
    there and how much of the picture it takes, and small words ("a", "left") have none, though
    much attention rests on them.
    """
    return float((heat.data > COVERED * heat.within).float().mean())


def strength(heat: "HeatMap") -> float:
    """How strongly a map is drawn, 0 to 1: fully, unless it is weak (ui's draw.js has it too)."""
    return min(1.0, float(heat.data.max()) / (WEAK * heat.within)) ** 2 if heat.within else 0.0


def is_weak(heat: "HeatMap") -> bool:
    """Whether the word has hardly anywhere more attention than its place among all words gives."""
    return float(heat.data.max()) <= WEAK * heat.within
