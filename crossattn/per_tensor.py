"""What was found out about tensors, each of which is looked at once: that waits for the device."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from torch import Tensor

T = TypeVar("T")


class PerTensor(Generic[T]):
    """Remembers an answer for each of the last few tensors, or groups of them, that were asked of.

    A tensor is known by itself, not by its content, and anew once it was written to.
    """

    def __init__(self, most: int = 8) -> None:
        self._known: deque[tuple[tuple[Tensor, ...], tuple[int, ...], T]] = deque(maxlen=most)

    def get(self, tensors: tuple[Tensor, ...], find: Callable[[], T]) -> T:
        """What `find` says of these tensors, which is asked once."""
        versions = tuple(0 if each.is_inference() else each._version for each in tensors)
        for known, seen, answer in self._known:
            same = len(known) == len(tensors) and seen == versions
            if same and all(one is other for one, other in zip(known, tensors, strict=True)):
                return answer
        answer = find()
        self._known.append((tensors, versions, answer))
        return answer

    def forget(self) -> None:
        """Ask anew of every tensor."""
        self._known.clear()
