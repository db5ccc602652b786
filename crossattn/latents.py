"""The latents of the run in progress: what the denoiser is given, moved, and what is made of it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.step import Step


class Latents:
    """What the denoiser and the scheduler were last given, and how controls moved it.

    `given` are the denoiser's latents (rows, channels, height, width), `predicted` what the
    scheduler was last given by the model, `shared_noise` whether it then drew noise for the whole
    batch at once.
    """

    def __init__(self, pipe: Any, denoiser: torch.nn.Module, name: str) -> None:
        self._pipe = pipe
        self._config: Any = denoiser.config
        self._name = name
        self._moves: list[Tensor] = []
        self.arguments: dict[str, Any] = {}
        self.predicted: Tensor | None = None
        self.shared_noise = False

    @property
    def given(self) -> Tensor:
        """What the denoiser is given at this step: (rows, input channels, height, width)."""
        latents: Tensor = self.arguments[self._name]
        return latents

    @property
    def channels(self) -> int:
        """Channels of the latents themselves: the input's first, what follows is for its eyes."""
        return min(int(self._config.in_channels), int(self._config.out_channels))

    def of_images(self, step: Step) -> Tensor:
        """The latents of the images conditioned in this call: (images, channels, height, width)."""
        return self.given[list(step.rows.positive), : self.channels]

    @property
    def scheduler(self) -> Any:
        """The pipeline's scheduler; raises `ControlError` for a bare model, which has none."""
        if (scheduler := getattr(self._pipe, "scheduler", None)) is None:
            raise ControlError(
                "A control of latents follows the scheduler, and a bare model has none: attach to "
                "the pipeline."
            )
        return scheduler

    @property
    def moved(self) -> bool:
        """Whether this call is given other latents than it was called with."""
        return bool(self._moves)

    def announce(self, arguments: Mapping[str, Any]) -> None:
        """Begin a call of the denoiser with these arguments."""
        self.arguments = dict(arguments)

    def settle(self) -> None:
        """Forget the moves of the step before: the scheduler has gone on from them."""
        self._moves = []

    def move(self, step: Step, by: Tensor) -> None:
        """Move every row of each image by (images, channels, height, width)."""
        self._show(step, by)
        self._moves.append(by)

    def move_again(self, step: Step) -> None:
        """Show another call of the same evaluation the moves that were made."""
        for by in self._moves:
            self._show(step, by)

    def _show(self, step: Step, by: Tensor) -> None:
        moved = self.given.clone()
        moved[:, : by.shape[1]] += self.scaled(step, by)[list(step.rows.image)]
        self.arguments[self._name] = moved

    def moved_rows(self, step: Step, by: Tensor) -> dict[str, Any]:
        """The call's arguments for the conditional rows alone, their latents moved by `by`."""
        rows = list(step.rows.positive)
        count = len(step.rows.image)
        given = {name: _rows(value, rows, count) for name, value in self.arguments.items()}
        moved = given[self._name].clone()
        moved[:, : by.shape[1]] += self.scaled(step, by)
        return given | {self._name: moved}

    def scaled(self, step: Step, by: Tensor) -> Tensor:
        """A move of the latents as the denoiser sees it: schedulers scale what they hand on."""
        scaled: Tensor = self.scheduler.scale_model_input(by, step.timestep)
        return scaled

    def before_step(self, latents: Tensor) -> Tensor:
        """The latents that the scheduler goes on from, moved as the denoiser saw them."""
        for by in self._moves:
            latents = latents + by.to(latents)
        return latents


def _rows(value: Any, rows: list[int], count: int) -> Any:
    """Those rows of a tensor that has one for each of the batch; of all such in a collection."""
    if isinstance(value, dict):
        return {name: _rows(each, rows, count) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rows(each, rows, count) for each in value)
    if isinstance(value, Tensor) and value.ndim and value.shape[0] == count:
        return value[rows]
    return value
