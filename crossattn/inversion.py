"""Pictures that exist as source runs: walks from a picture to noise, and edits that follow them.

A walk stands in the place of the pipeline's scheduler while `SourceRecorder` listens; what it
recorded is turned round into the `SourceRun` of a drawing that ends in the picture, exactly. An
edit follows that run: it is shown latents and answers as its method says.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from crossattn.controls.support.source_run import (
    CROSS,
    KEYS_VALUES,
    LATENTS,
    PREDICTED,
    SAID,
    SEEN,
    SELF,
    START,
    SourceRun,
)
from crossattn.controls.support.window import Window
from crossattn.course import Course, noises
from crossattn.errors import ControlError
from crossattn.inversion_methods import INVERTING, WEAKEST, Method, check_method


class Walk:
    """Stands in a scheduler's place: `move` makes the latents after each call of the denoiser.

    `move` is given the number of the call, the latents, and what the denoiser answered.
    """

    order = 1
    init_noise_sigma = 1.0
    begin_index = 0

    def __init__(
        self, config: Any, timesteps: Tensor, move: Callable[[int, Tensor, Tensor], Tensor]
    ) -> None:
        self.config = config
        self.timesteps = timesteps
        self.num_inference_steps = len(timesteps)
        self._move = move
        self._calls = 0

    def set_timesteps(self, steps: int, device: Any = None, **_: Any) -> None:
        """Begin anew; what there is to walk is settled already."""
        self.timesteps = self.timesteps.to(device, copy=True)
        self._calls = 0

    def scale_model_input(self, sample: Tensor, timestep: Any = None) -> Tensor:
        """The latents as they are."""
        return sample

    def step(
        self, model_output: Tensor, timestep: Any, sample: Tensor, return_dict: bool = True
    ) -> tuple[Tensor]:
        """The latents that the walk comes to next."""
        moved = self._move(self._calls, sample, model_output).to(sample)
        self._calls += 1
        return (moved,)


class Inversion:
    """The walk of one picture: latents `picture` (1, channels, height, width), along a `course`.

    "shift" (DirectEdit) and "direct" (Ju et al. 2023, "PnP inversion") keep the very latents that
    DDIM or Euler inversion passes, so that the source is exact; of "ddim", "null-text" (Mokady et
    al. 2023), "negative-prompt" (Miyake et al. 2023) and "proximal" (Han et al. 2023) only where it
    ends is kept. "virtual" (Xu et al. 2023, InfEdit), "flowedit" (Kulikov et al. 2024),
    "edit-friendly" (Huberman-Spiegelglas et al. 2023) and "ledits" (its noise with the masks of
    LEDITS++, Brack et al. 2024) noise the picture afresh for each step, by `seed`. Raises
    `ControlError` for a method that the model cannot do.
    """

    def __init__(self, picture: Tensor, course: Course, method: Method, seed: int = 0) -> None:
        check_method(method, flow=course.predicts == "velocity")
        self.picture, self.course, self.method = picture, course, method
        self.inverts = method in INVERTING
        # The denoiser answers behind each step, and for "direct" at its beginning.
        self._more = int(method == "direct")
        self.calls = course.steps + self._more
        drawn = [] if self.inverts else noises(picture, course.steps, seed)
        levels = zip(course.begins, drawn, strict=not self.inverts)
        self._noised = [level.latents(picture, noise) for level, noise in levels]

    @property
    def start(self) -> Tensor:
        """What the denoiser is shown first."""
        return self.picture if self.inverts else self._noised[0]

    def walk(self, config: Any) -> Walk:
        """What to put in the scheduler's place, whose configuration is `config`."""
        begins, ends = self.course.begins, self.course.ends
        levels = [*reversed(ends), *begins[: self._more]] if self.inverts else begins
        times = torch.tensor([level.timestep for level in levels])
        return Walk(config, times, self._back if self.inverts else self._onward)

    def window(self, window: Window) -> Window:
        """The window to record in, so that the steps of an edit's `window` are had."""
        steps = window.steps(self.course.steps)
        if not self.inverts or not steps:
            return window
        return Window(1 - steps.stop / self.calls, 1 - steps.start / self.calls)

    def run(self, recorded: SourceRun, timesteps: tuple[float, ...]) -> SourceRun:
        """What was recorded on the walk, as the run of a drawing at `timesteps`."""
        tensors, course = recorded.tensors, self.course
        picture, steps = self.picture[0].float().cpu(), course.steps
        made = tensors[LATENTS].cpu()
        shown = torch.cat([self.start.float().cpu(), made[:-1]])
        said = tensors[PREDICTED].cpu()
        if self.inverts:
            path = torch.cat([made[:steps].flip(0), picture[None]])
            seen, said = shown.flip(0)[:steps], said.flip(0)[:steps]
            levels = course.ends if self.method == "shift" else course.begins
        else:
            path = torch.cat([shown, picture[None]])
            seen, levels = shown, course.begins
        if self.method == "flowedit":
            path = picture.expand_as(path)
        leading = [course.leading(step, *path[step : step + 2]) for step in range(steps)]
        kept = replace(
            recorded.kept,
            timesteps=timesteps,
            method=self.method,
            course=course,
            seen_at=tuple(level.timestep for level in levels),
            cross=self._steps(recorded.kept.cross),
            own=self._steps(recorded.kept.own),
            keys_values=self._steps(recorded.kept.keys_values),
        )
        turned = {name: self._turned(name, recorded) for name in tensors}
        own = {LATENTS: path[1:], PREDICTED: torch.stack(leading), START: path[:1]}
        return SourceRun(kept, turned | own | {SEEN: seen, SAID: said})

    def _back(self, call: int, latents: Tensor, predicted: Tensor) -> Tensor:
        step = self.course.steps - 1 - call
        return latents if step < 0 else self.course.back(step, latents, predicted)

    def _onward(self, call: int, latents: Tensor, predicted: Tensor) -> Tensor:
        last = call + 1 == self.course.steps
        return self.picture if last else self._noised[call + 1]

    def _steps(self, calls: tuple[int, ...]) -> tuple[int, ...]:
        """The steps, in order, whose attention was recorded at these calls of the walk."""
        if not self.inverts:
            return calls
        steps = (self.calls - 1 - call for call in reversed(calls))
        return tuple(step for step in steps if step < self.course.steps)

    def _turned(self, name: str, recorded: SourceRun) -> Tensor:
        """A tensor of one entry a call with one a step."""
        tensor, kind = recorded.tensors[name], name.partition("/")[0]
        if not self.inverts or (kind == CROSS and name.endswith("/key")):
            return tensor
        if kind not in _WHEN:
            return tensor.flip(0)[: self.course.steps]
        return tensor.flip(0)[: len(self._steps(getattr(recorded.kept, _WHEN[kind])))]


_WHEN = {CROSS: "cross", SELF: "own", KEYS_VALUES: "keys_values"}
"""What of `Kept` tells the calls that a kind of tensors is of."""


class Following:
    """How an edit follows the run of a picture: what it is shown, and what is made of answers.

    Raises `ControlError` for the run of a drawing.
    """

    def __init__(self, source: SourceRun) -> None:
        if source.kept.course is None:
            raise ControlError("The source was drawn, not inverted; follow the run of a picture.")
        self._kept, self._course = source.kept, source.kept.course
        self._seen, self._said = source.tensors[SEEN], source.tensors[SAID]
        self._path = torch.cat([source.tensors[START], source.tensors[LATENTS]])

    @property
    def start(self) -> Tensor:
        """Where the edit begins: (1, channels, height, width)."""
        return self._path[:1]

    def shown(self, step: int, latents: Tensor) -> tuple[Tensor, float]:
        """What the denoiser is to be shown instead of `latents`, and at which timestep."""
        if self._kept.method in ("shift", "flowedit"):
            latents = latents + (self._seen[step] - self._path[step]).to(latents)
        return latents, self._kept.seen_at[step]

    def guided(self, apart: Tensor) -> Tensor:
        """What is left of the difference that guidance adds: (images, channels, height, width).

        "proximal" keeps its largest values alone, "ledits" the places where it is largest, both by
        a quantile: where the captions differ little, the picture is not led away.
        """
        method = self._kept.method
        if method not in WEAKEST:
            return apart
        size = (apart if method == "proximal" else apart.sum(1, keepdim=True)).abs()
        least = size.flatten(1).float().quantile(WEAKEST[method], dim=1)
        return apart * (size > least.view(-1, 1, 1, 1))

    def answer(self, step: int, latents: Tensor, predicted: Tensor) -> Tensor:
        """What the scheduler is given for the denoiser's answer to what was shown."""
        course, method = self._course, self._kept.method
        before, said = self._path[step].to(latents), self._said[step].to(latents)
        if method == "shift" and course.predicts != "velocity":
            # The step from x to x' in the picture's form: (s'/s)·x + (a' − a·s'/s)·picture.
            begin = course.begins[step]
            shown, _ = self.shown(step, latents)
            picture, _ = course.parts(course.ends[step], shown, predicted)
            noise = (latents - begin.signal * picture) / begin.noise
            return course.answer(begin, picture, noise)
        if method == "flowedit":
            return predicted - said
        if method == "virtual":
            return self._to(step, latents, self._consistent(step, latents, predicted))
        if method in ("edit-friendly", "ledits"):
            drawn = self._path[step + 1].to(latents) - course.ancestral(step, before, said)
            return self._to(step, latents, course.ancestral(step, latents, predicted) + drawn)
        return predicted

    def _consistent(self, step: int, latents: Tensor, predicted: Tensor) -> Tensor:
        """DDCM's next latents: the picture moved by how far the two predictions are apart."""
        course, begin = self._course, self._course.begins[step]
        before, said = self._path[step].to(latents), self._said[step].to(latents)
        apart = course.parts(begin, latents, predicted)[0] - course.parts(begin, before, said)[0]
        last = step + 1 == course.steps
        signal = 1.0 if last else course.begins[step + 1].signal
        return self._path[step + 1].to(latents) + signal * apart

    def _to(self, step: int, latents: Tensor, after: Tensor) -> Tensor:
        return self._course.leading(step, latents, after)
