"""Which side of guidance a pipeline says it calls its denoiser for, where it calls it for each."""

import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

_called_for: ContextVar[str | None] = ContextVar("called_for", default=None)
_lock = threading.Lock()


def called_for() -> str | None:
    """ "cond" or "uncond", as pipelines name the sides; None outside such a call."""
    return _called_for.get()


class _PatchedContext:
    """A denoiser's `cache_context` while anybody listens; a copy or pickle of it has its own."""

    def __init__(self, denoiser: Any) -> None:
        self.denoiser = denoiser
        self.plain = denoiser.cache_context
        self.users = 0

    @contextmanager
    def __call__(self, name: str, **kwargs: Any) -> Iterator[None]:
        token = _called_for.set(name)
        try:
            with self.plain(name, **kwargs):
                yield
        finally:
            _called_for.reset(token)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo.get(id(self.denoiser), self.denoiser)
        return types.MethodType(type(self.denoiser).cache_context, copied)

    def __reduce__(self) -> Any:
        return getattr, (self.denoiser, "cache_context")


def listen(denoiser: torch.nn.Module) -> Callable[[], None]:
    """Note what a denoiser is called for, in every thread; returns how to stop."""
    if not hasattr(type(denoiser), "cache_context"):
        return lambda: None
    model: Any = denoiser
    with _lock:
        if not isinstance(model.cache_context, _PatchedContext):
            model.cache_context = _PatchedContext(model)
        patch: _PatchedContext = model.cache_context
        patch.users += 1

    def stop() -> None:
        with _lock:
            patch.users -= 1
            if not patch.users and vars(model).get("cache_context") is patch:
                del model.cache_context

    return stop
