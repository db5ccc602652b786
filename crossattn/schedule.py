"""What a pipeline's scheduler plans, and standing where it makes latents."""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from crossattn.control import Step


@dataclass(frozen=True)
class Schedule:
    """The plan of a scheduler, read anew whenever it is asked; `scheduler` None plans nothing."""

    scheduler: Any

    @property
    def planned(self) -> Tensor | None:
        """The scheduler's own timesteps (calls,), anew for each run; None where none are set."""
        ready = getattr(self.scheduler, "num_inference_steps", None) is not None
        return getattr(self.scheduler, "timesteps", None) if ready else None

    @property
    def calls(self) -> tuple[float, ...]:
        """The timestep of each call of the denoiser, in order."""
        planned = self.planned
        return () if planned is None else tuple(map(float, planned.tolist()))

    @property
    def begins_step(self) -> bool:
        """Whether the next call begins a step; schedulers of second order ask again within one."""
        return bool(getattr(self.scheduler, "state_in_first_order", True))

    def at(self, timestep: float, last: Step | None) -> tuple[int, int, int]:
        """The index, the call and the total of a step at `timestep`, behind the `last` step."""
        calls = self.calls
        timesteps = tuple(dict.fromkeys(calls))
        walked = getattr(self.scheduler, "step_index", None)
        walked = walked or getattr(self.scheduler, "begin_index", None)
        following = walked or 0 if last is None else last.call + 1
        repeated = following < len(calls) and calls[following] == timestep
        first = calls.index(timestep) if timestep in calls else 0
        index = timesteps.index(timestep) if timestep in timesteps else 0
        return index, following if repeated else first, len(timesteps) or 1

    def sigma(self, timestep: float) -> float:
        """The noise at a timestep: its standard deviation over the signal's share."""
        alphas = getattr(self.scheduler, "alphas_cumprod", None)
        if alphas is None:
            return timestep / 1000
        low = min(int(timestep), len(alphas) - 1)
        high = min(low + 1, len(alphas) - 1)
        alpha = float(torch.lerp(alphas[low], alphas[high], timestep - low))
        return math.sqrt((1 - alpha) / alpha) if alpha > 0 else math.inf

    def steps(self, like: Step) -> tuple[Step, ...]:
        """A step for each call, alike `like` in all but time."""
        calls = self.calls
        timesteps = tuple(dict.fromkeys(calls))
        return tuple(
            replace(like, index=timesteps.index(t), call=call, timestep=t, sigma=self.sigma(t))
            for call, t in enumerate(calls)
        )


def watch(
    scheduler: Any,
    before: Callable[[Tensor], Tensor],
    after: Callable[[Tensor, Tensor, bool], Tensor],
) -> Callable[[], None]:
    """Let others change the latents that a scheduler steps from and those it makes.

    `before` is given the former; `after` what the model predicted, the latter, and whether noise
    was drawn for all images at once. Returns how to stop.
    """
    plain = scheduler.step
    present = vars(scheduler).get("step")
    signature = inspect.signature(plain)

    # Pipelines look into the signature for what they may pass (generator, eta).
    @functools.wraps(plain)
    def step(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        given.arguments["sample"] = latents = before(given.arguments["sample"])
        generator = _generator(given.arguments.get("generator"), latents.device)
        state = generator.get_state() if generator else None
        result = plain(*given.args, **given.kwargs)
        drew = bool(generator and state is not None and not state.equal(generator.get_state()))
        predicted = given.arguments["model_output"]
        if isinstance(result, tuple):
            return (after(predicted, result[0], drew), *result[1:])
        result.prev_sample = after(predicted, result.prev_sample, drew)
        return result

    scheduler.step = step

    def stop() -> None:
        if present is None:
            del scheduler.step
        else:
            scheduler.step = present

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
