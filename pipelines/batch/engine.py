"""What does the work of a batch: here in this process, or in workers beside it."""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Protocol

from crossattn.errors import CrossattnError
from crossattn.pipelines.batch.plan import Item
from crossattn.pipelines.batch.render import Attempt, Renderer, attempts

Group = Sequence[Item]
"""Items for one worker, one after the other, because they share a source or a model."""

MOST_FALSE_STARTS = 3


class Engine(Protocol):
    """Tries every item once; may be asked again for those that failed."""

    def run(self, groups: Sequence[Group]) -> Iterator[Attempt]:
        """Try every item once, and tell of each as it finishes, in any order."""

    def close(self) -> None:
        """Stop everything that was started."""


class Here:
    """Works in this process, one item after the other."""

    def __init__(self, render: Renderer) -> None:
        self._render = render

    def run(self, groups: Sequence[Group]) -> Iterator[Attempt]:
        """Try every item once, in order."""
        for group in groups:
            yield from attempts(self._render, group)

    def close(self) -> None:
        """Do nothing: nothing was started."""


class Local:
    """Works in spawned processes on this machine, and starts another for each that dies.

    An item that a worker dies of, or that takes over `timeout` seconds, has failed; those behind
    it are given to others.
    """

    def __init__(self, render: Renderer, workers: int, timeout: float) -> None:
        self._render = render
        self._timeout = timeout
        self._count = workers
        self._workers: list[_Worker] = []

    def run(self, groups: Sequence[Group]) -> Iterator[Attempt]:
        """Try every item once; raises CrossattnError if no worker can start."""
        waiting = deque(deque(group) for group in groups if group)
        false_starts = 0
        while waiting or self._busy():
            while len(self._workers) < min(self._count, len(waiting) + len(self._busy())):
                self._workers.append(_Worker(self._render))
            self._hand_out(waiting)
            for worker in self._ready():
                try:
                    answer = worker.answer()
                except (EOFError, OSError):
                    self._workers.remove(worker)
                    reason = worker.bury()
                    if not worker.ready:
                        false_starts += 1
                        if false_starts >= MOST_FALSE_STARTS:
                            raise CrossattnError(
                                f"The workers {reason} before they could begin; look at what they "
                                "printed above."
                            ) from None
                    elif worker.items:
                        yield Attempt(worker.items.popleft().id, None, f"The worker {reason}.")
                    if worker.items:
                        waiting.appendleft(worker.items)
                else:
                    false_starts = 0
                    if answer is not None:
                        yield answer

    def close(self) -> None:
        """Stop the workers."""
        for worker in self._workers:
            worker.bury()
        self._workers.clear()

    def _busy(self) -> list["_Worker"]:
        return [worker for worker in self._workers if worker.items]

    def _hand_out(self, waiting: deque[deque[Item]]) -> None:
        for worker in self._workers:
            if waiting and not worker.items:
                worker.give(waiting.popleft())
        # While there is plenty, one more behind it, so that no worker waits for the disk.
        for worker in self._workers:
            if len(waiting) > self._count and len(worker.items) < 2:
                worker.give(waiting.popleft())

    def _ready(self) -> list["_Worker"]:
        """Wait until a worker has something to say; one that took too long is stopped."""
        now = time.monotonic()
        patience = self._timeout
        # To start, and to load a library from a slow disk, a worker may take its time.
        for worker in (each for each in self._busy() if each.ready):
            left = worker.since + self._timeout - now
            if left <= 0:
                worker.stop(f"was stopped after {self._timeout:g} seconds without a picture")
            patience = min(patience, max(left, 0))
        said = wait([worker.pipe for worker in self._workers], timeout=patience)
        return [worker for worker in self._workers if worker.pipe in said]


class _Worker:
    """A spawned process, the pipe to it, and the items that it has not answered yet."""

    def __init__(self, render: Renderer) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, render), daemon=True)
        self.process.start()
        # With our copy closed, the end of the process is the end of the pipe.
        theirs.close()
        self.ready = False
        self.items: deque[Item] = deque()
        self.since = time.monotonic()
        self._reason = ""

    def give(self, items: deque[Item]) -> None:
        if not self.items:
            self.since = time.monotonic()
        self.items.extend(items)
        try:
            self.pipe.send(tuple(items))
        except OSError:
            # It is dead, which the next look at its pipe tells as well.
            return

    def answer(self) -> Attempt | None:
        """Return what it says: an attempt, or None at its start."""
        attempted: Attempt | None = self.pipe.recv()
        self.since = time.monotonic()
        self.ready = True
        if attempted is not None:
            self.items.popleft()
        return attempted

    def stop(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.process.kill()

    def bury(self) -> str:
        """End it for good, and say in words what it came to."""
        self.pipe.close()
        self.process.join(timeout=0.2)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        died = f"was killed (signal {-code})" if code < 0 else f"stopped with exit code {code}"
        return self._reason or died


def _serve(pipe: Connection, render: Renderer) -> None:
    # Ctrl-C goes to every process of a terminal; only the parent is to act on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pipe.send(None)
        while True:
            for attempted in attempts(render, pipe.recv()):
                pipe.send(attempted)
    except (EOFError, OSError):
        return
