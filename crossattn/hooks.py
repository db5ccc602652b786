"""Hooks on a model's modules, whose copies and pickles forget them."""

from collections.abc import Callable
from typing import Any

import torch


class Hook:
    """A module's hook, of which a copy of the module has one that takes itself out.

    Subclasses say in `__call__` what they do.
    """

    def __call__(self, module: torch.nn.Module, *args: Any) -> Any:
        """Take itself out, as a copy does."""
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for number in [number for number, hook in hooks.items() if hook is self]:
                del hooks[number]

    def __deepcopy__(self, memo: Any) -> "Hook":
        return Hook()

    def __reduce__(self) -> tuple[type["Hook"], tuple[()]]:
        return Hook, ()


class _Told(Hook):
    """Tells a listener of each call, who is told so many things."""

    def __init__(self, listener: Callable[..., Any], given: int) -> None:
        self._listener = listener
        self._given = given

    def __call__(self, module: torch.nn.Module, *args: Any) -> Any:
        """What the listener answers."""
        # Another thread has put it in or taken it out by half, and torch leaves kwargs out.
        return self._listener(module, *args) if len(args) == self._given else None


def before(module: torch.nn.Module, listener: Callable[..., Any]) -> Callable[[], None]:
    """Call `listener(module, args, kwargs)` before each forward pass; returns how to stop."""
    return module.register_forward_pre_hook(_Told(listener, 2), with_kwargs=True).remove


def after(module: torch.nn.Module, listener: Callable[..., Any]) -> Callable[[], None]:
    """Call `listener(module, args, kwargs, output)` after each forward pass, failed ones too."""
    hook = _Told(listener, 3)
    return module.register_forward_hook(hook, with_kwargs=True, always_call=True).remove
