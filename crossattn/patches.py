"""Methods of the host's objects that are patched for all who listen, and restored with the last."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, ClassVar

_lock = threading.Lock()


class PatchedMethod:
    """A method of one object while anybody listens; a copy or pickle of the object has its own.

    Subclasses say in `__call__` what they tell the `listeners`.
    """

    name: ClassVar[str]

    def __init__(self, owner: Any) -> None:
        self.owner = owner
        self.plain = getattr(owner, self.name)
        self.present = vars(owner).get(self.name)
        self.names = tuple(inspect.signature(self.plain).parameters)
        self.listeners: tuple[Any, ...] = ()
        # Pipelines look into the signature of a method for what they may pass.
        functools.update_wrapper(self, self.plain)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments by their names."""
        return dict(zip(self.names, args, strict=False)) | kwargs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the plain method gives, unless a subclass says otherwise."""
        return self.plain(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        kind = type(self.owner)
        copied = memo.get(id(self.owner), self.owner)
        return inspect.getattr_static(kind, self.name).__get__(copied, kind)

    def __reduce__(self) -> Any:
        return getattr, (self.owner, self.name)


def listen(owner: Any, kind: type[PatchedMethod], listener: Any) -> Callable[[], None]:
    """Tell `listener` of each call of the method; returns how to stop, in any order of many."""
    with _lock:
        patch = getattr(owner, kind.name)
        if not isinstance(patch, kind):
            patch = kind(owner)
            setattr(owner, kind.name, patch)
        patch.listeners = (*patch.listeners, listener)

    def stop() -> None:
        with _lock:
            patch.listeners = tuple(each for each in patch.listeners if each is not listener)
            if patch.listeners or vars(owner).get(kind.name) is not patch:
                return
            if patch.present is None:
                delattr(owner, kind.name)
            else:
                setattr(owner, kind.name, patch.present)

    return stop
