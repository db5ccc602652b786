"""Another attention mechanism in the place of the model's own cross-attention."""

from collections.abc import Callable

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.errors import ControlError
from crossattn.mechanisms import Kernel, Pattern, attend, dot, pool_heads, top_k
from crossattn.mechanisms.wiring import grouped_query
from crossattn.session import Session
from crossattn.site import Layers, Site, is_among
from crossattn.step import LayerCall

Weigh = Callable[[Tensor, Tensor, Tensor | None, int, int], Tensor]
"""From one row's queries (heads, pixels, width), keys (heads, tokens, width), where the model lets
pixels attend, the mechanism's number and the first token of the text, to weights (heads, pixels,
tokens)."""


def _scaled(query: Tensor, key: Tensor, mask: Tensor | None, _: int, first: int) -> Tensor:
    return attend(query, key, key, mask=mask)[1]


def _unscaled(query: Tensor, key: Tensor, mask: Tensor | None, _: int, first: int) -> Tensor:
    return attend(query, key, key, dot, mask)[1]


def _linear(query: Tensor, key: Tensor, mask: Tensor | None, _: int, first: int) -> Tensor:
    return attend(query, key, key, Kernel(), mask)[1]


def _top_k(query: Tensor, key: Tensor, mask: Tensor | None, count: int, first: int) -> Tensor:
    strongest = top_k(query, key, count or key.shape[-2], mask=mask).dense()
    return attend(query, key, key, mask=strongest if mask is None else strongest & mask)[1]


def _window(query: Tensor, key: Tensor, mask: Tensor | None, radius: int, first: int) -> Tensor:
    """Luong's local attention: only tokens near the one that the pixel asks for most."""
    tokens = torch.arange(key.shape[-2], device=key.device)
    text = tokens >= first  # the start token is no place in the text
    best: Pattern = top_k(query, key, 1, mask=text if mask is None else text & mask)
    near = (tokens - best.indices).abs() <= radius  # -> (heads, pixels, tokens)
    return attend(query, key, key, mask=near if mask is None else near & mask)[1]


def _grouped(query: Tensor, key: Tensor, mask: Tensor | None, groups: int, first: int) -> Tensor:
    pooled = pool_heads(key, groups)
    return grouped_query(query, pooled, pooled, mask=mask)[1]


MECHANISMS: dict[str, tuple[Weigh, str]] = {
    "scaled": (_scaled, ""),
    "unscaled": (_unscaled, ""),
    "linear": (_linear, ""),
    "topk": (_top_k, "the number of tokens that each pixel keeps, or all"),
    "window": (_window, "how far, in tokens, from the one that the pixel asks for most"),
    "gqa": (_grouped, "the number of key and value heads, a divisor of the model's"),
}


class Mechanism(Control):
    """Runs cross-attention with another mechanism, in every row, recorded like any other.

    `name` is "scaled" (what Stable Diffusion does: nothing changes), "unscaled" (no 1/√d),
    "linear" (elu + 1 features), "topk:4" (each pixel's 4 strongest tokens; "topk:all"),
    "window:2" (tokens within 2 of the strongest, Luong et al. 2015), "gqa:2" (keys and values
    averaged into 2 heads, Ainslie et al. 2023). `layers` names the blocks it acts in ("up", "mid",
    "down.1"); all by default. Raises `ControlError` for another name, and at the first step if a
    control before it has changed the words' attention, which this would undo: put it first.
    """

    def __init__(self, name: str, *, layers: Layers | None = None) -> None:
        kind, _, argument = name.partition(":")
        if kind not in MECHANISMS:
            raise ControlError(f"{name!r} is not a mechanism: choose {', '.join(MECHANISMS)}.")
        self._weigh, needs = MECHANISMS[kind]
        least = 0 if kind == "window" else 1
        digits = argument.isascii() and argument.isdigit() and len(argument) <= 6
        number = digits and int(argument) >= least
        every = kind == "topk" and argument == "all"
        if bool(needs) != bool(argument) or (argument and not (number or every)):
            wanted = f"{kind}:N, N being {needs}" if needs else f"{kind} alone"
            raise ControlError(f"The mechanism {name!r} cannot be read: write {wanted}.")
        self.name = name
        self.kind = kind
        self.argument = int(argument) if number else 0
        self.layers = layers
        self._first = 0

    def wants(self, site: Site) -> bool:
        """The cross-attention sites of the chosen blocks."""
        return site.kind == "cross" and is_among(site, self.layers)

    def start(self, session: Session) -> None:
        """Raise `ControlError` if `layers` leaves no site."""
        if not any(self.wants(site) for site in session.sites):
            raise ControlError(
                f"Mechanism(layers={self.layers!r}) leaves none of the model's cross-attention."
            )
        self._first = int(session.family.encoders[0].start)

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Weigh the tokens of every row anew."""
        if any(attention.edited(row) for row in range(len(attention.query))):
            raise ControlError(
                f'Mechanism("{self.name}") computes attention anew, which would undo the controls '
                "before it: put it first in attach(...)."
            )
        key, value = attention.key, attention.value
        if self.kind == "gqa":
            shared = key.shape[1] // self.argument
            value = pool_heads(value, self.argument).repeat_interleave(shared, dim=1)
            attention.replace(value=value)
        for row in range(len(key)):
            mask = attention.allowed(row)
            weights = self._weigh(attention.query[row], key[row], mask, self.argument, self._first)
            if attention.joint:
                # Among the text's tokens it weighs; how much the text gets in all is the model's.
                weights = weights * attention.probabilities(row).sum(-1, keepdim=True)
            attention.edit(row, weights)
