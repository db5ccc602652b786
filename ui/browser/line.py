"""The line before the model: one run at a time, first come first served, and only so many wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crossattn.errors import CrossattnError


class LineFullError(CrossattnError):
    """Too many runs are under way or wait already."""


@dataclass(eq=False)
class Ticket:
    """A place in the line."""

    line: "Line"

    def wait(self, seconds: float) -> int:
        """Wait for a change in the line, at most so long; returns how many are still ahead."""
        with self.line.moved:
            if self.ahead:
                self.line.moved.wait(seconds)
            return self.ahead

    @property
    def ahead(self) -> int:
        """How many come before."""
        return self.line.tickets.index(self)


class Line:
    """A line of at most `most`, the one who draws among them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.tickets: list[Ticket] = []
        self.moved = threading.Condition()

    @contextmanager
    def place(self) -> Iterator[Ticket]:
        """Stand in the line for the length of a `with`; raises `LineFullError` if it is full."""
        ticket = Ticket(self)
        with self.moved:
            if len(self.tickets) >= self.most:
                raise LineFullError(
                    f"Too many people are drawing: {self.most} pictures are under way or wait "
                    "already. Try again in a moment."
                )
            self.tickets.append(ticket)
        try:
            yield ticket
        finally:
            with self.moved:
                self.tickets.remove(ticket)
                self.moved.notify_all()
