"""Standing where a scheduler makes latents: one patch for each scheduler, for all who listen."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from crossattn.patches import PatchedMethod, listen


class StepListener(Protocol):
    """Who is asked at each step of a scheduler."""

    def before(self, latents: Tensor) -> Tensor:
        """The latents that the scheduler goes on from, or others."""

    def after(self, scheduler: Any, predicted: Tensor, latents: Tensor, drew: bool) -> Tensor:
        """The latents that it made, or others.

        `predicted` is what the model predicted, `drew` whether noise was drawn for all images at
        once.
        """


class _PatchedStep(PatchedMethod):
    name = "step"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        listeners = self.listeners
        given = self.named(args, kwargs)
        latents = given["sample"]
        for listener in listeners:
            latents = listener.before(latents)
        generator = _generator(given.get("generator"), latents.device)
        state = generator.get_state() if generator else None
        result = self.plain(**given | {"sample": latents})
        drew = bool(generator and state is not None and not state.equal(generator.get_state()))
        made = result[0] if isinstance(result, tuple) else result.prev_sample
        for listener in listeners:
            made = listener.after(self.owner, given["model_output"], made, drew)
        if isinstance(result, tuple):
            return (made, *result[1:])
        result.prev_sample = made
        return result


def watch(scheduler: Any, listener: StepListener) -> Callable[[], None]:
    """Ask `listener` at each step of the scheduler; returns how to stop, in any order of many."""
    return listen(scheduler, _PatchedStep, listener)


def _generator(given: Any, device: torch.device) -> torch.Generator | None:
    """The one that noise for all images would come from; None where each has its own."""
    if isinstance(given, torch.Generator):
        return given
    if given is None and device.type == "cpu":
        return torch.default_generator
    if given is None and device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return None
