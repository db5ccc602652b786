"""Work that is made ahead: a pure function of a number, by worker processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """Calls `make(step)`, and has `workers` processes make the next steps meanwhile (0: none).

    The results are the function's own, however many workers there are. `make` and what it returns
    must be picklable. Leaving the context ends the workers.
    """

    def __init__(self, make: Callable[[int], Made], workers: int = 0) -> None:
        self.make, self.workers = make, workers
        # Forking would copy the threads that torch and the device have by now.
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, spawn) if workers else None
        self._begun: dict[int, Future[Made]] = {}

    def __call__(self, step: int) -> Made:
        """What the function makes of a step."""
        if self._pool is None:
            return self.make(step)
        for late in [one for one in self._begun if one < step]:
            self._begun.pop(late).cancel()
        for near in range(step, step + 2 * self.workers):
            if near not in self._begun:
                self._begun[near] = self._pool.submit(self.make, near)
        return self._begun.pop(step).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
