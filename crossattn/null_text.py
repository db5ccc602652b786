"""The empty prompt of each step, found so that guidance follows a picture's walk.

Null-text inversion (Mokady et al. 2023): plain inversion walks without guidance, and an edit is
guided, which leads away; instead of the picture, the empty prompt gives way.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.course import Course

ROUNDS = 500
"""Steps of Adam that all steps of the course share at most: the paper's ten for each of fifty."""


def empty_prompts(
    course: Course,
    path: Tensor,
    predict: Callable[[int, Tensor, Tensor | None], Tensor],
    empty: Tensor,
    guidance: float,
) -> Iterator[Tensor]:
    """Yield an embedding (tokens, channels) for each step that leads along `path` under guidance.

    `path` (steps + 1, channels, height, width) is walked from the noise to the picture, `empty`
    (tokens, channels) what the model itself makes of no words. `predict` is asked for the
    denoiser's answer at a step to latents (1, channels, height, width), given such an embedding, or
    None for the caption. Rounds and rates are the paper's: Adam from 0.01 down to half of it, fewer
    rounds where a step lands near enough.
    """
    latents, empty = path[:1], empty.float()
    for step, goal in enumerate(path[1:]):
        share = step / course.steps
        with torch.no_grad():
            within = predict(step, latents, None)
        landed = partial(_landed, course, step, latents, within, guidance)
        empty = empty.detach().clone().requires_grad_()
        adam = torch.optim.Adam([empty], lr=0.01 * (1 - share / 2))
        for _ in range(ROUNDS // course.steps):
            with torch.enable_grad():
                apart = F.mse_loss(landed(predict(step, latents, empty)), goal[None])
            if apart < 1e-5 + 1e-3 * share:
                break
            (empty.grad,) = torch.autograd.grad(apart, empty)
            adam.step()
        empty = empty.detach()
        with torch.no_grad():
            latents = landed(predict(step, latents, empty))
        yield empty


def _landed(
    course: Course, step: int, latents: Tensor, within: Tensor, guidance: float, without: Tensor
) -> Tensor:
    """Where a guided step leads."""
    return course.step(step, latents, without + guidance * (within - without))
