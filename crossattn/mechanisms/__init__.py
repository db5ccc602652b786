"""The mechanisms of attention, each short, exact, differentiable, and returning its weights.

`attend` is the seam: a score says how well a key answers a query, a mask or a pattern says which
pairs may, and softmax turns the scores into weights. The wirings call it for many heads. `linear`
and `fused` never form the weights.
"""

from crossattn.mechanisms.attention import attend, fused
from crossattn.mechanisms.linear import Feature, Kernel, elu_plus_one, linear
from crossattn.mechanisms.patterns import Pattern, causal, strided, top_k, window
from crossattn.mechanisms.positions import rotary, sinusoidal
from crossattn.mechanisms.scores import Additive, General, Score, dot, scaled_dot
from crossattn.mechanisms.wiring import (
    grouped_query,
    merge_heads,
    multi_head,
    pool_heads,
    split_heads,
)

__all__ = [
    "Additive",
    "Feature",
    "General",
    "Kernel",
    "Pattern",
    "Score",
    "attend",
    "causal",
    "dot",
    "elu_plus_one",
    "fused",
    "grouped_query",
    "linear",
    "merge_heads",
    "multi_head",
    "pool_heads",
    "rotary",
    "scaled_dot",
    "sinusoidal",
    "split_heads",
    "strided",
    "top_k",
    "window",
]
