"""The maps of a picture that exists."""

from typing import Any

import pytest
import torch
from PIL import Image

from crossattn import PromptError, RecipeError, Recorder
from crossattn.pipelines.existing import trace_picture


def test_a_picture_has_a_map_for_each_word_of_a_caption(sd_pipe: Any) -> None:
    picture = Image.effect_mandelbrot((80, 64), (-2, -1, 1, 1), 20)
    trace = trace_picture(sd_pipe, picture, "a red car", recorder=Recorder(bins=2)).by("mean")
    assert trace["car"].data.shape == (8, 10)
    assert trace.view.record.timesteps.tolist() == [500, 300]
    whole = torch.stack([trace.at(steps=i)["car"].data for i in range(2)]).mean(0)
    torch.testing.assert_close(trace["car"].data, whole)


def test_another_picture_has_other_maps(sdxl_pipe: Any) -> None:
    grey, noise = Image.new("L", (64, 64), 128), Image.effect_noise((64, 64), 90)
    maps = [trace_picture(sdxl_pipe, p, "a red car")["car"].data for p in (grey, noise, noise)]
    assert not torch.equal(maps[0], maps[1])
    assert torch.equal(maps[1], maps[2])


@pytest.mark.parametrize("timesteps", [(), (1000,), (-1, 500), (500.5,)])
def test_timesteps_that_the_schedule_does_not_have_are_refused(
    sd_pipe: Any, timesteps: Any
) -> None:
    with pytest.raises(RecipeError, match=r"expected whole numbers from 0 to 999, one at least"):
        trace_picture(sd_pipe, Image.new("RGB", (64, 64)), "a red car", timesteps=timesteps)


@pytest.mark.parametrize("prompt", ["", "  "])
def test_a_picture_is_not_searched_for_nothing(sd_pipe: Any, prompt: str) -> None:
    with pytest.raises(PromptError, match="needs words to look for"):
        trace_picture(sd_pipe, Image.new("RGB", (64, 64)), prompt)


def test_the_models_scheduler_is_given_back(sd_pipe: Any) -> None:
    scheduler = sd_pipe.scheduler
    trace_picture(sd_pipe, Image.new("RGB", (64, 64)), "a red car", timesteps=(500,))
    assert sd_pipe.scheduler is scheduler
