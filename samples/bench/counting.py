"""Counting what a device is asked to do: every ATen call that is no view."""

from collections import Counter
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class Launches(TorchDispatchMode):
    """Counts the calls that are made inside; views and empty memory cost a device nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """All of them."""
        return self.names.total()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not _is_free(func):
            self.names[str(func)] += 1
        return func(*args, **(kwargs or {}))


def _is_free(func: Any) -> bool:
    aliases = [each.alias_info for each in func._schema.returns]
    views = any(alias is not None and not alias.is_write for alias in aliases)
    return views or func.name().removeprefix("aten::").startswith(
        ("empty", "new_empty", "_unsafe_view")
    )
