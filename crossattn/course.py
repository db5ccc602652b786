"""The noise levels that a scheduler walks through, and what the denoiser's answers mean there."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crossattn.errors import ControlError


@dataclass(frozen=True)
class Level:
    """How much of the picture (`signal`) and of noise latents hold, and the denoiser's time."""

    signal: float
    noise: float
    timestep: float

    def latents(self, picture: Tensor, noise: Tensor) -> Tensor:
        """A picture's latents with as much noise as this level has."""
        return self.signal * picture + self.noise * noise


@dataclass(frozen=True)
class Course:
    """The steps of a deterministic scheduler: step i goes from `begins[i]` to `ends[i]`.

    `predicts` is what the denoiser answers: "epsilon", "v_prediction" or, of a flow, "velocity".
    Latents and answers are (images, channels, height, width) throughout.
    """

    begins: tuple[Level, ...]
    ends: tuple[Level, ...]
    predicts: str

    @classmethod
    def read(cls, scheduler: Any) -> "Course":
        """The course of a DDIM or flow-matching Euler scheduler whose timesteps are set.

        Raises `ControlError` for another scheduler, whose steps cannot be walked backwards.
        """
        name, config = type(scheduler).__name__, scheduler.config
        times = scheduler.timesteps.tolist()
        if name == "FlowMatchEulerDiscreteScheduler" and not config.get("stochastic_sampling"):
            scale = float(config.num_train_timesteps)
            sigmas = scheduler.sigmas.tolist()
            levels = [Level(1 - sigma, sigma, sigma * scale) for sigma in sigmas]
            return cls(tuple(levels[:-1]), tuple(levels[1:]), "velocity")
        if name != "DDIMScheduler" or config.thresholding or config.clip_sample:
            raise ControlError(
                f"A picture is inverted along DDIM or a flow's Euler steps, not by {name}"
                f"{'' if name != 'DDIMScheduler' else ' that clips'}; choose ddim."
            )
        if config.prediction_type not in ("epsilon", "v_prediction"):
            raise ControlError(
                f"A picture is inverted by models that predict noise (epsilon), v or a flow, not "
                f"{config.prediction_type}; choose another model."
            )
        stride = config.num_train_timesteps // scheduler.num_inference_steps
        alphas = scheduler.alphas_cumprod.double()

        def level(time: int) -> Level:
            alpha = float(alphas[time] if time >= 0 else scheduler.final_alpha_cumprod)
            return Level(alpha**0.5, (1 - alpha) ** 0.5, float(max(time, 0)))

        begins = tuple(level(time) for time in times)
        return cls(begins, tuple(level(time - stride) for time in times), config.prediction_type)

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.begins)

    def parts(self, level: Level, latents: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
        """The picture and the noise that the denoiser's answer says latents are made of."""
        a, s = level.signal, level.noise
        if self.predicts == "velocity":
            return latents - s * predicted, latents + a * predicted
        if self.predicts == "v_prediction":
            return a * latents - s * predicted, a * predicted + s * latents
        return (latents - s * predicted) / a, predicted

    def answer(self, level: Level, picture: Tensor, noise: Tensor) -> Tensor:
        """What a denoiser would answer that takes latents to be these: `parts` turned round."""
        if self.predicts == "velocity":
            return noise - picture
        if self.predicts == "v_prediction":
            return level.signal * noise - level.noise * picture
        return noise

    def leading(self, step: int, before: Tensor, after: Tensor) -> Tensor:
        """The answer at which the scheduler's step makes `after` of `before`."""
        begin, end = self.begins[step], self.ends[step]
        across = begin.signal * end.noise - end.signal * begin.noise
        picture = (end.noise * before - begin.noise * after) / across
        noise = (begin.signal * after - end.signal * before) / across
        return self.answer(begin, picture, noise)

    def step(self, step: int, latents: Tensor, predicted: Tensor) -> Tensor:
        """What the scheduler makes of an answer."""
        return self.ends[step].latents(*self.parts(self.begins[step], latents, predicted))

    def back(self, step: int, latents: Tensor, predicted: Tensor) -> Tensor:
        """The latents before a step, by the answer at those behind it (DDIM or Euler inversion)."""
        return self.begins[step].latents(*self.parts(self.ends[step], latents, predicted))

    def ancestral(self, step: int, latents: Tensor, predicted: Tensor) -> Tensor:
        """The mean of the DDPM step (eta 1), to which its noise is added."""
        begin, end = self.begins[step], self.ends[step]
        picture, noise = self.parts(begin, latents, predicted)
        drawn = end.noise / begin.noise * (1 - (begin.signal / end.signal) ** 2) ** 0.5
        left: float = max(end.noise**2 - drawn**2, 0) ** 0.5
        return end.signal * picture + left * noise


def noises(like: Tensor, count: int, seed: int) -> list[Tensor]:
    """`count` draws of noise shaped alike, from a generator on the CPU."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return [torch.randn(like.shape, generator=generator).to(like) for _ in range(count)]
