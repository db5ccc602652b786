"""When a control acts: a share of the schedule, or a range of noise."""

import math
from dataclasses import dataclass

from crossattn.errors import ControlError
from crossattn.step import Step


@dataclass(frozen=True)
class Window:
    """The steps from `start` to `end`, both shares of the schedule: at 50 steps 0.8 ends at 40.

    `Window.sigma` gives the window as noise levels instead, which mean the same for every
    scheduler and number of steps. Raises `ControlError` for bounds out of order or range.
    """

    start: float = 0.0
    end: float = 1.0
    noise: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.noise is None and not 0 <= self.start <= self.end <= 1:
            raise ControlError(
                f"Window({self.start:g}, {self.end:g}): expected two shares of the schedule, "
                "0 <= start <= end <= 1."
            )
        if self.noise is not None and not 0 <= self.noise[1] <= self.noise[0]:
            raise ControlError(
                f"Window.sigma({self.noise[0]:g}, {self.noise[1]:g}): expected two noise levels, "
                "the higher one first."
            )

    @classmethod
    def sigma(cls, high: float = math.inf, low: float = 0.0) -> "Window":
        """The steps whose noise (standard deviation over the signal) is above `low`, up to `high`.

        Raises `ControlError` for levels out of order.
        """
        return cls(noise=(high, low))

    @property
    def empty(self) -> bool:
        """Whether no step of any schedule lies inside."""
        low, high = (self.start, self.end) if self.noise is None else self.noise[::-1]
        return low == high

    def contains(self, step: Step) -> bool:
        """Whether the control acts at `step`."""
        if self.noise is not None:
            high, low = self.noise
            return low < step.sigma <= high
        return step.index in self.steps(step.total)

    def steps(self, total: int) -> range:
        """The steps of a schedule of `total` inside; all of them where only the noise can tell."""
        if self.noise is not None:
            return range(total)
        return range(_steps(self.start, total), _steps(self.end, total))


ALWAYS = Window()
CROSS_WINDOW = Window(0.0, 0.4)
"""When words look where the source's did, unless told: samples/bench/editing_truth.py chose it."""


def _steps(share: float, total: int) -> int:
    # 0.29 of 100 steps is 29, though the product falls short of it.
    return math.floor(share * total + 1e-9)
