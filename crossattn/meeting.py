"""Standing where a host's code calls `scaled_dot_product_attention`, without touching that code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class HostCall:
    """A call of `scaled_dot_product_attention`, by its own names for its arguments."""

    query: Tensor
    key: Tensor
    value: Tensor
    attn_mask: Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    def run(self, **other: Tensor | None) -> Tensor:
        """What the host would get (rows, heads, queries, width), with `other` of the arguments."""
        return F.scaled_dot_product_attention(**vars(self) | other)


class Meeting(TorchFunctionMode):
    """While it is entered, `meet` is asked for the outcome of every such call; `calls` counts."""

    def __init__(self, meet: Callable[[HostCall], Tensor]) -> None:
        super().__init__()
        self.meet = meet
        self.calls = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Let everything else through."""
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        self.calls += 1
        return self.meet(HostCall(*args, **(kwargs or {})))
