"""Joint attention written out: softmax of the host's own queries and keys, by hooks of our own.

Nothing of crossattn is used here. A `TorchFunctionMode` stands where the host calls
`scaled_dot_product_attention`, and a hook on each attention layer says which layer it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode


@dataclass
class Meeting:
    """A call of the host's attention: (rows, heads, positions, width), float64."""

    layer: str
    visit: int
    query: Tensor
    key: Tensor
    value: Tensor
    bias: Tensor
    scale: float

    def probabilities(self) -> Tensor:
        """Softmax over all keys: (rows, heads, queries, keys)."""
        return (self.query @ self.key.mT * self.scale + self.bias).softmax(-1)


Edit = Callable[[Meeting], Tensor | None]
"""From a meeting to what the host is to get of it; None for what the host makes itself."""


class Oracle(TorchFunctionMode):
    """Notes or edits the attention of those layers of `denoiser` whose names `layers` end.

    `seen[layer]` has the probabilities of each visit: (rows, heads, queries, keys).
    """

    def __init__(
        self, denoiser: torch.nn.Module, layers: tuple[str, ...], edit: Edit | None = None
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.layers = layers
        self.edit = edit
        self.seen: dict[str, list[Tensor]] = {}
        self._layer: str | None = None
        self._hooks: list[Any] = []

    def __enter__(self) -> "Oracle":
        for name, module in self.denoiser.named_modules():
            # Refiners see the image alone or the text alone, before the two meet.
            if name.split(".")[-1] in self.layers and "refiner" not in name:
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
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention or self._layer is None:
            return func(*args, **kwargs)
        names = ("query", "key", "value", "attn_mask")
        given = dict(zip(names, args, strict=False)) | kwargs
        query, key, value = (given[name].detach().double() for name in names[:3])
        if (shared := query.shape[1] // key.shape[1]) > 1:
            key, value = (each.repeat_interleave(shared, 1) for each in (key, value))
        mask = given.get("attn_mask")
        bias = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        if mask is not None and mask.dtype == torch.bool:
            bias = torch.zeros(mask.shape, dtype=torch.float64)
            bias = bias.masked_fill(~mask, float("-inf"))
        elif mask is not None:
            bias = mask.double()
        visits = self.seen.setdefault(self._layer, [])
        scale = given.get("scale") or query.shape[-1] ** -0.5
        meeting = Meeting(self._layer, len(visits), query, key, value, bias, scale)
        visits.append(meeting.probabilities())
        edited = None if self.edit is None else self.edit(meeting)
        return func(*args, **kwargs) if edited is None else edited.to(given["query"])
