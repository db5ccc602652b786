"""What time it is: the plan of a scheduler, and a clock that counts its steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from crossattn.step import Step


@dataclass(frozen=True)
class Plan:
    """The evaluations that a scheduler plans, in order.

    `timesteps` are its own, `steps` the number of the step that each belongs to (a scheduler of
    second order takes two evaluations a step), `sigmas` the noise at which each begins: its
    standard deviation over the signal's share.
    """

    timesteps: tuple[float, ...]
    steps: tuple[int, ...]
    sigmas: tuple[float, ...]

    @classmethod
    def read(cls, scheduler: Any) -> "Plan | None":
        """The plan of a scheduler; None where no steps are set."""
        planned = _planned(scheduler)
        if planned is None:
            return None
        timesteps = tuple(map(float, planned.tolist()))
        steps = tuple(_steps(scheduler, timesteps))
        return cls(timesteps, steps, tuple(_sigmas(scheduler, timesteps)))

    def find(self, timestep: float) -> int | None:
        """The first evaluation at that timestep; None where there is none."""
        return self.timesteps.index(timestep) if timestep in self.timesteps else None

    def evaluations(self, like: Step) -> tuple[Step, ...]:
        """A step for each evaluation, alike `like` in all but time."""
        first = self.steps[like.evaluation] - like.index
        return tuple(
            replace(
                like,
                index=number - first,
                evaluation=evaluation,
                timestep=timestep,
                sigma=sigma,
            )
            for evaluation, (timestep, number, sigma) in enumerate(
                zip(self.timesteps, self.steps, self.sigmas, strict=True)
            )
        )


class Clock:
    """Tells the time of each call of the denoiser, by counting the steps of its scheduler.

    The timestep that the model is given is looked at only where nothing was counted: at the first
    call of a run whose scheduler does not say where it begins, and in loops that never step it.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._timesteps: Any = None
        self._run = -1
        self._fresh = True
        self._stepped = 0
        self._first = 0
        self._begun = 0
        self._evaluation = 0
        self._last: float | None = None

    def step(self, scheduler: Any) -> None:
        """Count one step of the scheduler."""
        self._look(scheduler)
        self._stepped += 1

    def at(self, scheduler: Any, timestep: Callable[[], float], like: Step) -> Step:
        """`like` at the time of a call of the denoiser; `timestep` reads what it is given."""
        self._look(scheduler)
        plan = self.plan
        if plan is None:
            self._run = 0
            given = timestep()
            return replace(like, run=0, timestep=given, sigma=given / 1000)
        fresh = self._fresh or self._first + self._stepped >= len(plan.timesteps)
        if fresh:
            self._begin(scheduler, plan, timestep)
        elif self._stepped:
            self._evaluation = self._first + self._stepped
        elif (given := timestep()) != self._last:
            found = plan.find(given)
            place = self._evaluation + 1 if found is None else found
            fresh = place < self._evaluation
            self._evaluation = min(place, len(plan.timesteps) - 1)
            self._last = given
        if fresh:
            self._run += 1
            self._begun = self._evaluation
        begin = plan.steps[self._first]
        return replace(
            like,
            run=self._run,
            index=max(0, plan.steps[self._evaluation] - begin),
            total=plan.steps[-1] + 1 - begin,
            evaluation=self._evaluation,
            begun=self._begun,
            timestep=plan.timesteps[self._evaluation],
            sigma=plan.sigmas[self._evaluation],
        )

    def _look(self, scheduler: Any) -> None:
        """Notice a new plan, with which a new run begins."""
        planned = _planned(scheduler)
        if planned is not self._timesteps:
            self._timesteps, self._fresh, self._stepped = planned, True, 0
            self.plan = Plan.read(scheduler)

    def _begin(self, scheduler: Any, plan: Plan, timestep: Callable[[], float]) -> None:
        """Find where a run begins, and the evaluation that is its first."""
        self._last = timestep()
        if self._fresh:
            first = getattr(scheduler, "begin_index", None)
            place = getattr(scheduler, "step_index", None)
        else:
            # The same plan was run to its end and is run again.
            self._stepped, first, place = 0, None, None
        if first is None:
            place = plan.find(self._last) or 0 if place is None else place
            first = max(0, place - self._stepped)
        self._fresh = False
        self._first = min(int(first), len(plan.timesteps) - 1)
        self._evaluation = min(self._first + self._stepped, len(plan.timesteps) - 1)


def begins_step(scheduler: Any) -> bool:
    """Whether the next evaluation begins a step; in second order another follows within one."""
    return bool(getattr(scheduler, "state_in_first_order", True))


def _planned(scheduler: Any) -> Tensor | None:
    """A scheduler's own timesteps (evaluations,), a new tensor for each run; None if not set."""
    ready = getattr(scheduler, "num_inference_steps", None) is not None
    ready = ready or bool(getattr(scheduler, "custom_timesteps", False))
    return getattr(scheduler, "timesteps", None) if ready else None


def _steps(scheduler: Any, timesteps: Sequence[float]) -> list[int]:
    planned = getattr(scheduler, "num_inference_steps", None) or len(timesteps)
    if len(timesteps) > planned and (order := getattr(scheduler, "order", 1)) > 1:
        return [evaluation // order for evaluation in range(len(timesteps))]
    # More timesteps than steps: a step that is evaluated again stands there twice (PNDM).
    again = len(timesteps) > planned
    steps: list[int] = []
    for evaluation, timestep in enumerate(timesteps):
        same = again and evaluation > 0 and timesteps[evaluation - 1] == timestep
        steps.append(steps[-1] + (not same) if steps else 0)
    return steps


def _sigmas(scheduler: Any, timesteps: Sequence[float]) -> list[float]:
    sigmas = getattr(scheduler, "sigmas", None)
    if isinstance(sigmas, Tensor) and len(sigmas) >= len(timesteps):
        noise = [float(sigma) for sigma in sigmas[: len(timesteps)].tolist()]
        if not _is_flow(scheduler):
            return noise
        return [sigma / (1 - sigma) if sigma < 1 else math.inf for sigma in noise]
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if alphas is None:
        return [timestep / 1000 for timestep in timesteps]
    alphas = alphas.cpu()  # in one exchange with the device
    return [_noise(alphas, timestep) for timestep in timesteps]


def _is_flow(scheduler: Any) -> bool:
    """Whether the latents go in a straight line from signal to noise, by shares of each."""
    config = getattr(scheduler, "config", {})
    return type(scheduler).__name__.startswith("FlowMatch") or bool(
        config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction"
    )


def _noise(alphas: Tensor, timestep: float) -> float:
    low = min(max(int(timestep), 0), len(alphas) - 1)
    high = min(low + 1, len(alphas) - 1)
    alpha = float(torch.lerp(alphas[low], alphas[high], timestep - int(timestep)))
    return math.sqrt((1 - alpha) / alpha) if alpha > 0 else math.inf
