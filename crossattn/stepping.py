"""Standing where a scheduler makes latents: one patch for each scheduler, for all who listen."""

import functools
import inspect
import threading
import types
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor


class StepListener(Protocol):
    """Who is asked at each step of a scheduler."""

    def before(self, latents: Tensor) -> Tensor:
        """The latents that the scheduler goes on from, or others."""

    def after(self, scheduler: Any, predicted: Tensor, latents: Tensor, drew: bool) -> Tensor:
        """The latents that it made, or others.

        `predicted` is what the model predicted, `drew` whether noise was drawn for all images at
        once.
        """


_lock = threading.Lock()


class _PatchedStep:
    """A scheduler's `step` while anybody listens; a copy or pickle of the scheduler has its own."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.plain = scheduler.step
        self.present = vars(scheduler).get("step")
        self.listeners: tuple[StepListener, ...] = ()
        self._signature = inspect.signature(self.plain)
        # Pipelines look into the signature for what they may pass (generator, eta).
        functools.update_wrapper(self, self.plain)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        listeners = self.listeners
        given = self._signature.bind(*args, **kwargs)
        latents = given.arguments["sample"]
        for listener in listeners:
            latents = listener.before(latents)
        given.arguments["sample"] = latents
        generator = _generator(given.arguments.get("generator"), latents.device)
        state = generator.get_state() if generator else None
        result = self.plain(*given.args, **given.kwargs)
        drew = bool(generator and state is not None and not state.equal(generator.get_state()))
        made = result[0] if isinstance(result, tuple) else result.prev_sample
        for listener in listeners:
            made = listener.after(self.scheduler, given.arguments["model_output"], made, drew)
        if isinstance(result, tuple):
            return (made, *result[1:])
        result.prev_sample = made
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = memo.get(id(self.scheduler), self.scheduler)
        return types.MethodType(type(self.scheduler).step, copied)

    def __reduce__(self) -> Any:
        return getattr, (self.scheduler, "step")


def watch(scheduler: Any, listener: StepListener) -> Callable[[], None]:
    """Ask `listener` at each step of the scheduler; returns how to stop, in any order of many."""
    with _lock:
        if not isinstance(scheduler.step, _PatchedStep):
            scheduler.step = _PatchedStep(scheduler)
        patch: _PatchedStep = scheduler.step
        patch.listeners = (*patch.listeners, listener)

    def stop() -> None:
        with _lock:
            patch.listeners = tuple(each for each in patch.listeners if each is not listener)
            if patch.listeners or scheduler.step is not patch:
                return
            if patch.present is None:
                del scheduler.step
            else:
                scheduler.step = patch.present

    return stop


def _generator(given: Any, device: torch.device) -> torch.Generator | None:
    """The one that noise for all images would come from; None where each has its own."""
    if isinstance(given, torch.Generator):
        return given
    if given is None and device.type == "cpu":
        return torch.default_generator
    if given is None and device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return None
