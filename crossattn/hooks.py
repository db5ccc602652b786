"""Hooks on a model's modules, whose copies and pickles forget them."""

from collections.abc import Callable
from typing import Any

import torch


class Hook:
    """A module's hook while somebody listens; in a copy of the module one that takes itself out."""

    def __init__(self, listener: Callable[..., Any] | None = None, given: int = 0) -> None:
        self._listener = listener
        self._given = given

    def __call__(self, module: torch.nn.Module, *args: Any) -> Any:
        """What the listener answers, who is told so many things of a call."""
        if self._listener is not None:
            # Another thread has put it in or taken it out by half, and torch leaves kwargs out.
            return self._listener(module, *args) if len(args) == self._given else None
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for number in [number for number, hook in hooks.items() if hook is self]:
                del hooks[number]
        return None

    def __deepcopy__(self, memo: Any) -> "Hook":
        return Hook()

    def __reduce__(self) -> tuple[type["Hook"], tuple[()]]:
        return Hook, ()


def before(module: torch.nn.Module, listener: Callable[..., Any]) -> Callable[[], None]:
    """Call `listener(module, args, kwargs)` before each forward pass; returns how to stop."""
    return module.register_forward_pre_hook(Hook(listener, 2), with_kwargs=True).remove


def after(module: torch.nn.Module, listener: Callable[..., Any]) -> Callable[[], None]:
    """Call `listener(module, args, kwargs, output)` after each forward pass, failed ones too."""
    hook = Hook(listener, 3)
    return module.register_forward_hook(hook, with_kwargs=True, always_call=True).remove
