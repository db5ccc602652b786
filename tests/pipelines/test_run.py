from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from crossattn.pipelines.denoise import Progress, scheduled
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

PROMPT = "a red car left of a blue balloon on grass"
SCHEDULERS = ("ddim", "dpm++", "euler", "euler-a", "heun", "lcm")


def finish(events: Iterator[Progress | Result]) -> Result:
    *_, last = events
    assert isinstance(last, Result)
    return last


def plain(pipe: Any, recipe: Recipe) -> np.ndarray:
    with scheduled(pipe, recipe.scheduler):
        return np.asarray(
            pipe(
                recipe.prompt,
                negative_prompt=recipe.negative_prompt or None,
                num_inference_steps=recipe.steps,
                guidance_scale=recipe.guidance,
                height=recipe.height,
                width=recipe.width,
                generator=torch.Generator("cpu").manual_seed(recipe.seed),
            ).images[0]
        )


@pytest.mark.parametrize("guidance", [1.0, 7.5])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("family", ["sd_pipe", "sdxl_pipe"])
def test_the_picture_equals_the_plain_pipelines_bit_for_bit(
    family: str, scheduler: Any, guidance: float, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family)
    recipe = Recipe(
        prompt=PROMPT,
        negative_prompt="a dog",
        seed=7,
        steps=4,
        guidance=guidance,
        height=64,
        width=96,
        scheduler=scheduler,
    )
    result = finish(run(recipe, pipe=pipe))
    assert np.array_equal(np.asarray(result.image), plain(pipe, recipe))
    assert result.image.size == (96, 64)
