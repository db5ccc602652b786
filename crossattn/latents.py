"""The latents of the run in progress: what the denoiser is given, moved, and what is made of it."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from crossattn.control import Control
from crossattn.errors import ControlError
from crossattn.inputs import Inputs
from crossattn.per_tensor import PerTensor
from crossattn.step import Step


class Latents:
    """What the denoiser and the scheduler were last given, and how controls moved it.

    All of it as pictures (rows or images, channels, height, width), in whatever form the model and
    the scheduler hold them. `predicted` is what the scheduler was last given by the model,
    `shared_noise` whether it then drew noise for the whole batch at once.
    """

    def __init__(self, pipe: Any, denoiser: torch.nn.Module, inputs: Inputs) -> None:
        self._pipe = pipe
        self._config: Any = denoiser.config
        self._inputs = inputs
        self._moves: list[Tensor] = []
        self._given: Tensor | None = None
        self._arguments: dict[str, Any] = {}
        self._measured: PerTensor[tuple[int, int]] = PerTensor()
        self.predicted: Tensor | None = None
        self.shared_noise = False

    @property
    def argument(self) -> Any:
        """The denoiser's argument of latents at this step, in its own form."""
        return self._arguments[self._inputs.latents]

    @property
    def given(self) -> Tensor:
        """What the denoiser is given at this step: (rows, input channels, height, width)."""
        if self._given is None:
            self._given = self._inputs.picture(self._arguments)
        return self._given

    @property
    def size(self) -> tuple[int, int]:
        """The latent's (height, width)."""
        ids = self._arguments.get("img_ids")
        if ids is None:
            return self._inputs.size(self._arguments)
        return self._measured.get((ids,), lambda: self._inputs.size(self._arguments))

    def frames_for(self, controls: Iterable[Control]) -> int:
        """Frames that the denoiser sees apart, after its patches of time: 1 for a picture.

        Raises `ControlError` where there are several and a control reads or changes latents.
        """
        patch = getattr(self._config, "patch_size", 1)
        together = patch[0] if isinstance(patch, (list, tuple)) else None
        together = together or getattr(self._config, "patch_size_t", None) or 1
        frames = self._inputs.frames(self._arguments) // int(together)
        if frames > 1 and (moving := [each for each in controls if each.touches_latents]):
            raise ControlError(
                f"{type(moving[0]).__name__} reads or changes the latents of pictures, and a video "
                "has several frames of them; record, weigh, swap, share and hold words there."
            )
        return frames

    @property
    def channels(self) -> int:
        """Channels of the latents themselves: the input's first, what follows is for its eyes."""
        given = int(self._config.in_channels)
        made = getattr(self._config, "out_channels", None) or given
        if self._inputs.folded > 1 and made < given:
            # Qwen-Image counts what it makes by the picture's pixels, and what it is given folded.
            made *= getattr(self._config, "patch_size", 1) ** 2
        return min(given, int(made)) // self._inputs.folded

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
        self._arguments, self._given = dict(arguments), None

    def made(self, step: Step, predicted: Tensor, shared_noise: bool) -> None:
        """Note what the scheduler was given, and whether it drew noise for all images at once."""
        self.predicted = self._inputs.unpack(predicted, step.height, step.width)
        self.shared_noise = shared_noise

    def edited(self, step: Step, latents: Tensor, controls: Iterable[Control]) -> Tensor:
        """What controls make of the scheduler's latents, in its form."""
        picture = made = self._inputs.unpack(latents, step.height, step.width)
        for control in controls:
            picture = control.after_step(step, picture)
        return latents if picture is made else self._inputs.pack(picture)

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
        moves = self.scaled(step, by)[list(step.rows.image)]
        self._arguments[self._inputs.latents] = self._inputs.moved(self._arguments, moves)
        self._given = None

    def moved_rows(self, step: Step, by: Tensor) -> dict[str, Any]:
        """The call's arguments for the conditional rows alone, their latents moved by `by`."""
        rows = list(step.rows.positive)
        count = len(step.rows.image)
        given = {name: _rows(value, rows, count) for name, value in self._arguments.items()}
        return given | {self._inputs.latents: self._inputs.moved(given, self.scaled(step, by))}

    def scaled(self, step: Step, by: Tensor) -> Tensor:
        """A move of the latents as the denoiser sees it: some schedulers scale what they give."""
        scale = getattr(self.scheduler, "scale_model_input", None)
        return by if scale is None else scale(by, step.timestep)

    def before_step(self, latents: Tensor) -> Tensor:
        """The latents that the scheduler goes on from, moved as the denoiser saw them."""
        for by in self._moves:
            latents = latents + self._inputs.pack(by).to(latents)
        return latents


def _rows(value: Any, rows: list[int], count: int) -> Any:
    """Those rows of a tensor that has one for each of the batch; of all such in a collection.

    A list of as many, which are not themselves batches, has one for each row too.
    """
    listed = isinstance(value, list) and len(value) == count and isinstance(value[0], Tensor)
    if listed and value[0].shape[0] != count:
        return [value[row] for row in rows]
    if isinstance(value, dict):
        return {name: _rows(each, rows, count) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rows(each, rows, count) for each in value)
    if isinstance(value, Tensor) and value.ndim and value.shape[0] == count:
        return value[rows]
    return value
