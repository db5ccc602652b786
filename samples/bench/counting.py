"""Counting what a device is asked to do: every ATen call that is no view."""

from collections import Counter
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ATTENTION = "scaled_dot_product_attention"


class Launches(TorchDispatchMode):
    """Counts the calls that are made inside; views and empty memory cost a device nothing.

    Attention counts as one call, as it is on a GPU: elsewhere torch may compute it in steps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.attending = False
        self._whole = _WholeAttention(self)

    @property
    def count(self) -> int:
        """All of them."""
        return self.names.total()

    def __enter__(self) -> "Launches":
        self._whole.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._whole.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not self.attending and not _is_free(func):
            self.names[str(func)] += 1
        return func(*args, **(kwargs or {}))


class _WholeAttention(TorchFunctionMode):
    def __init__(self, launches: Launches) -> None:
        super().__init__()
        self._launches = launches

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch._C._nn.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        self._launches.names[ATTENTION] += 1
        self._launches.attending = True
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self._launches.attending = False


def _is_free(func: Any) -> bool:
    aliases = [each.alias_info for each in func._schema.returns]
    views = any(alias is not None and not alias.is_write for alias in aliases)
    return views or func.name().removeprefix("aten::").startswith(
        ("empty", "new_empty", "_unsafe_view")
    )
