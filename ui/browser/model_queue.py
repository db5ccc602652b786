"""The queue for the model: one run at a time, first come first served, and only so many wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crossattn.errors import CrossattnError


class QueueFullError(CrossattnError):
    """Too many runs are under way or wait already."""


@dataclass(eq=False)
class Place:
    """A place in the queue."""

    queue: "Queue"

    def wait(self, seconds: float) -> int:
        """Wait for a change in the queue, at most so long; returns how many are still ahead."""
        with self.queue.moved:
            if self.ahead:
                self.queue.moved.wait(seconds)
            return self.ahead

    @property
    def ahead(self) -> int:
        """How many come before."""
        return self.queue.places.index(self)


class Queue:
    """A queue of at most `most`, the one who draws among them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.places: list[Place] = []
        self.moved = threading.Condition()

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Stand in the queue for the length of a `with`; raises `QueueFullError` if it is full."""
        place = Place(self)
        with self.moved:
            if len(self.places) >= self.most:
                raise QueueFullError(
                    f"Too many people are drawing: {self.most} pictures are under way or wait "
                    "already. Try again in a moment."
                )
            self.places.append(place)
        try:
            yield place
        finally:
            with self.moved:
                self.places.remove(place)
                self.moved.notify_all()
