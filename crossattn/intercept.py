"""Intercepts the host's calls of `scaled_dot_product_attention`, without touching the host's code.

While anybody listens, `torch.nn.functional.scaled_dot_product_attention` is a function that asks
for the listener of the present context and, where there is none, calls what stood there before.
That costs one look-up a call; a `TorchFunctionMode` would pass every other call of the host's
processor through Python too, which samples/bench/launches.py measures.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.nn.attention import SDPBackend

_torch: Callable[..., Tensor] = torch._C._nn.scaled_dot_product_attention
_plain: Callable[..., Tensor] = F.scaled_dot_product_attention
_FLASH = SDPBackend.FLASH_ATTENTION.value
_lock = threading.Lock()
_users = 0


class SdpaCall(NamedTuple):
    """A call of `scaled_dot_product_attention`, by its own names for its arguments."""

    query: Tensor
    key: Tensor
    value: Tensor
    attn_mask: Tensor | None = None
    dropout_p: float = 0.0
    is_causal: bool = False
    scale: float | None = None
    enable_gqa: bool = False

    def run(self) -> Tensor:
        """What the host would get: (rows, heads, queries, width)."""
        # As hosts call it, so that it may be another library's function.
        return _plain(
            *self[:3],
            attn_mask=self.attn_mask,
            dropout_p=self.dropout_p,
            is_causal=self.is_causal,
            scale=self.scale,
            enable_gqa=self.enable_gqa,
        )

    def run_summed(self) -> tuple[Tensor, Tensor] | None:
        """The same bits as `run`, and the softmax's denominators as logarithms, at no cost.

        The latter is (rows, heads, queries), float32 at least. None where the kernel that torch
        would choose does not tell: on GPUs, under gradients, where something replaced attention.
        """
        tensors = self.query, self.key, self.value
        if (
            _plain is not _torch
            or self.query.device.type != "cpu"
            or self.query.shape[1] != self.key.shape[1]
            or self.key.shape[2] != self.value.shape[2]
            or (torch.is_grad_enabled() and any(each.requires_grad for each in tensors))
            or torch.is_autocast_enabled("cpu")
            or torch._fused_sdp_choice(*self[:6], scale=self.scale, enable_gqa=self.enable_gqa)
            != _FLASH
        ):
            return None
        mask = self.attn_mask
        if mask is not None and mask.dtype == torch.bool:
            bias = mask.new_zeros(mask.shape, dtype=self.query.dtype)
            mask = bias.masked_fill(~mask, float("-inf"))
        attend = torch._scaled_dot_product_flash_attention_for_cpu
        output, log_sum = attend(
            *tensors, self.dropout_p, self.is_causal, attn_mask=mask, scale=self.scale
        )
        return output, log_sum


Listener = Callable[[SdpaCall], Tensor]
listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
"""Who is asked for the outcome of the next call in this context, and of no other."""


def _attention(*args: Any, **kwargs: Any) -> Tensor:
    asked = listener.get()
    if asked is None:
        return _plain(*args, **kwargs)
    listener.set(None)
    return asked(SdpaCall(*args, **kwargs))


@contextmanager
def intercepted() -> Iterator[None]:
    """Let listeners be heard, in every context and thread, for the length of a `with`."""
    global _plain, _users
    with _lock:
        if F.scaled_dot_product_attention is not _attention:
            # Another library's replacement is what the host would have called.
            _plain = F.scaled_dot_product_attention
            F.scaled_dot_product_attention = _attention
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and F.scaled_dot_product_attention is _attention:
                F.scaled_dot_product_attention = _plain
