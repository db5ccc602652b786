"""What attention is, written out: softmax of the host's own queries and keys, by hooks of our own.

Nothing of crossattn is used here. A `TorchFunctionMode` stands where the host calls
`scaled_dot_product_attention`, and a hook on each attention layer says which layer it is.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode

Edit = Callable[[str, int, Tensor], Tensor]
"""From a layer's name, the number of its visit and its probabilities to others, shaped alike:
(rows, heads, pixels, tokens), float32."""


class Oracle(TorchFunctionMode):
    """Notes the probabilities of every cross-attention layer of `denoiser`, or edits them.

    `seen[layer]` has a tensor (rows, heads, pixels, tokens) for each visit.
    """

    def __init__(self, denoiser: torch.nn.Module, edit: Edit | None = None) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.edit = edit
        self.seen: dict[str, list[Tensor]] = {}
        self._layer: str | None = None
        self._hooks: list[Any] = []

    def __enter__(self) -> "Oracle":
        for name, module in self.denoiser.named_modules():
            if getattr(module, "is_cross_attention", False):
                self._hooks.append(module.register_forward_pre_hook(self._entered(name)))
                self._hooks.append(module.register_forward_hook(self._left))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for hook in self._hooks:
            hook.remove()

    def _entered(self, name: str) -> Callable[..., None]:
        def enter(*_: Any) -> None:
            self._layer = name

        return enter

    def _left(self, *_: Any) -> None:
        self._layer = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        layer = self._layer
        if func is not F.scaled_dot_product_attention or layer is None:
            return func(*args, **(kwargs or {}))
        self._layer = None  # what an adapter attends to besides is not the text
        query, key, value = (*args, *(kwargs[n] for n in ("query", "key", "value")[len(args) :]))
        mask = (kwargs or {}).get("attn_mask")
        with torch.autocast("cpu", enabled=False):
            logits = query.detach().float() @ key.detach().float().mT * query.shape[-1] ** -0.5
            probs = (logits if mask is None else logits + mask).softmax(-1)
            visits = self.seen.setdefault(layer, [])
            visits.append(probs)
            if self.edit is None:
                return func(*args, **(kwargs or {}))
            return (self.edit(layer, len(visits) - 1, probs.clone()) @ value.float()).to(query)


def weighed(weight: float) -> Callable[[Tensor, int], Tensor]:
    """One row's probabilities (heads, pixels, tokens) with a token's multiplied."""

    def formula(probs: Tensor, token: int) -> Tensor:
        probs[..., token] *= weight
        return probs

    return formula


def held(strength: float) -> Callable[[Tensor, int], Tensor]:
    """The same with a token kept to the left half: exp(-strength) of it elsewhere, renormalised."""

    def formula(probs: Tensor, token: int) -> Tensor:
        side = round(probs.shape[1] ** 0.5)
        outside = (torch.arange(side) + 0.5 > side / 2).expand(side, side).flatten()
        probs[:, outside, token] *= torch.tensor(-strength).exp()
        return probs / probs.sum(-1, keepdim=True)

    return formula
