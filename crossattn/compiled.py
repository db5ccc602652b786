"""Compiled models run eagerly while something is attached: a compiled graph shows no attention."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_lock = threading.Lock()
_users = 0
_stance: Any = None


def is_compiled(pipe: Any, denoiser: torch.nn.Module) -> bool:
    """Whether the denoiser or a part of it was compiled, in any of torch's ways."""
    parts = [getattr(pipe, name, None) for name in ("unet", "transformer", "transformer_2")]
    return (
        any(type(part).__name__ == "OptimizedModule" for part in (pipe, *parts))
        or hasattr(vars(denoiser).get("forward"), "_torchdynamo_orig_callable")
        or any(module._compiled_call_impl is not None for module in denoiser.modules())
    )


@contextmanager
def run_eagerly(pipe: Any, denoiser: torch.nn.Module) -> Iterator[None]:
    """Run a compiled denoiser eagerly for the length of a `with`; others are left alone.

    The stance is the process's: what else is compiled runs eagerly too until the last one leaves.
    """
    global _users, _stance
    if not is_compiled(pipe, denoiser):
        yield
        return
    with _lock:
        if not _users:
            _stance = torch.compiler.set_stance("force_eager")
            _stance.__enter__()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _stance.__exit__(None, None, None)
