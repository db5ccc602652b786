"""What a pipeline's scheduler plans: the calls of the denoiser, their timesteps and noise."""

import math
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
