"""The engine for many machines: Ray Data, with a pool of actors that each keep their models.

RAY_ADDRESS names a cluster; without it, Ray is started on this machine and stopped again. Pictures
come back to this process, which alone writes, so that machines need share no disk.
"""

import logging
import os
import pickle
import queue
import socket
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from crossattn.errors import CrossattnError, InputError
from crossattn.pipelines.batch.engine import Group
from crossattn.pipelines.batch.render import Attempt, Renderer, attempts

REACHED = 10.0
"""Seconds that a cluster has to take a connection."""

CPUS = 0.9
"""Of each actor: whole ones could take every CPU, and Ray Data would wait for itself for ever."""


class OnRay:
    """Works in a pool of Ray actors; one that dies is replaced, and what it had has failed.

    Raises InputError if Ray is not installed, CrossattnError if it cannot be started.
    """

    def __init__(self, render: Renderer, workers: int, timeout: float) -> None:
        try:
            import ray
        except ImportError:
            raise InputError(
                "The engine ray is not installed: pip install 'crossattn[ray]'."
            ) from None
        self._render = render
        self._workers = workers
        self._timeout = timeout
        self._started = not ray.is_initialized()
        if self._started:
            _start(workers)

    def run(self, groups: Sequence[Group]) -> Iterator[Attempt]:
        """Try every item once; raises CrossattnError if nothing happens for too long."""
        if not groups:
            return
        lost = {item.id for group in groups for item in group}
        # Ray Data is known to hang where it lacks a resource, so somebody must watch it.
        said: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, args=(groups, said), daemon=True).start()
        while True:
            try:
                heard = said.get(timeout=self._timeout)
            except queue.Empty:
                raise CrossattnError(
                    f"Ray has made nothing for {self._timeout:g} seconds; see that it has the CPUs "
                    f"and GPUs for {self._workers} workers, and run the same again."
                ) from None
            if heard is None:
                break
            if isinstance(heard, BaseException):
                reason = " ".join(str(heard).split())[:300]
                raise CrossattnError(f"Ray cannot go on ({reason}); run the same again.") from heard
            tried: Attempt = pickle.loads(heard)
            lost.discard(tried.id)
            yield tried
        for name in lost:
            yield Attempt(name, None, "The worker that had it died.")

    def close(self) -> None:
        """Stop Ray, if it was started here."""
        import ray

        if self._started:
            ray.shutdown()

    def _listen(self, groups: Sequence[Group], said: "queue.SimpleQueue[Any]") -> None:
        try:
            for row in self._pool(groups).iter_rows():
                said.put(row["attempt"])
            said.put(None)
        except BaseException as error:
            said.put(error)

    def _pool(self, groups: Sequence[Group]) -> Any:
        import ray.data

        # A dead actor's items are told as lost and tried in the next round; left to itself, Ray
        # would give an item that kills its worker to one worker after the other, without end.
        context = ray.data.DataContext.get_current()
        context.max_errored_blocks = -1
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.CRITICAL + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = [{"group": pickle.dumps(tuple(group))} for group in groups]
            return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Actor,
                fn_constructor_args=(self._render,),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=self._workers),
                num_cpus=CPUS,
                num_gpus=_gpus(groups),
                max_restarts=-1,
                max_task_retries=0,
            )


class _Actor:
    def __init__(self, render: Renderer) -> None:
        self._render = render

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        # NumPy takes zero bytes off the end of what it holds; a pickle ends with a full stop.
        items = pickle.loads(batch["group"][0])
        return {"attempt": [pickle.dumps(each) for each in attempts(self._render, items)]}


def _start(workers: int) -> None:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Its core writes past Python's logging, of things that nobody here can mend.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # By itself Ray gives way to everything else, and on a busy machine never gets to start.
    os.environ.setdefault("RAY_worker_niceness", "0")
    address = os.environ.get("RAY_ADDRESS", "local")
    here: dict[str, Any] = {}
    _check_reached(address)
    if address == "local":
        here = {"num_cpus": max(workers, os.cpu_count() or 1), "include_dashboard": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **here)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CrossattnError(f"Ray cannot be started at {address}: {reason}") from error


def _check_reached(address: str) -> None:
    """Raise CrossattnError if nobody answers at an address, which Ray takes minutes to tell."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CrossattnError(
            f"Ray does not answer at {address} ({reason}); start it there, or take RAY_ADDRESS out."
        ) from error


def _gpus(groups: Sequence[Group]) -> float:
    import ray

    device = groups[0][0].recipe.device
    if device is None:
        return 1.0 if ray.cluster_resources().get("GPU") else 0.0
    return 1.0 if device.startswith("cuda") else 0.0
