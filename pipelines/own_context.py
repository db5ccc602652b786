"""Iterators that run in a context of their own, so that several at once are each as if alone."""

from collections.abc import Callable, Generator
from contextvars import copy_context
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_own_context(function: Callable[P, Generator[T]]) -> Callable[P, Generator[T]]:
    """Make a generator function whose body keeps its context variables to itself.

    A plain generator shares them with whoever asks it for the next event, so what is attached
    inside would act on whatever its caller runs between two events.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> Generator[T]:
        context = copy_context()
        events = function(*args, **kwargs)
        try:
            while True:
                try:
                    event = context.run(next, events)
                except StopIteration:
                    return
                yield event
        finally:
            context.run(events.close)

    return alone
