"""Neutral is nothing: controls that have nothing to do change no bit, whatever runs around them."""

import warnings
from typing import Any

import pytest
import torch
from tiny_pictures import SCHEDULERS, SOURCE, TARGET, run, switch
from torch import Tensor

from crossattn import Control
from crossattn.controls import (
    AttendAndExcite,
    Box,
    HoldRegions,
    LocalBlend,
    MutualSelfAttention,
    NothingTouchedWarning,
    PaintRegions,
    Refine,
    Replace,
    Reweight,
    ShareSelfAttention,
    TopK,
    Window,
)

PROMPTS = [SOURCE, TARGET]
NONE = Window(0, 0)
HALF = {"grass": Box(0, 0, 0.5, 1)}
GUIDED = {"guidance_scale": 4.0, "negative_prompt": ["a dog", "blue"]}
UNGUIDED = {"guidance_scale": 1.0, "height": 48, "width": 80, "num_images_per_prompt": 2}


def neutral() -> list[Control]:
    """Every control, with settings that leave it nothing to do."""
    return [
        Replace(NONE, on_nothing="warn"),
        Refine(NONE, on_nothing="warn"),
        ShareSelfAttention(NONE, on_nothing="warn"),
        ShareSelfAttention(pixels=0, on_nothing="warn"),
        MutualSelfAttention(NONE, on_nothing="warn"),
        Reweight({"grass": 1.0}, on_nothing="warn"),
        Reweight({"grass": 1.0}, normalised=True, on_nothing="warn"),
        Reweight({"grass": 2.0}, window=NONE, on_nothing="warn"),
        HoldRegions({}, on_nothing="warn"),
        HoldRegions({"grass": Box(0, 0, 1, 1)}, on_nothing="warn"),
        HoldRegions(HALF, strength=0.0, on_nothing="warn"),
        PaintRegions(HALF, weight=0.0, on_nothing="warn"),
        PaintRegions(HALF, window=NONE, on_nothing="warn"),
        TopK(77, on_nothing="warn"),
        TopK(3, window=NONE, on_nothing="warn"),
        AttendAndExcite(["grass"], step_size=0.0, on_nothing="warn"),
        AttendAndExcite(["grass"], window=NONE, on_nothing="warn"),
        LocalBlend(window=NONE, on_nothing="warn"),
    ]


def check(pipe: Any, settings: dict[str, Any]) -> None:
    plain = run(pipe, PROMPTS, steps=3, **settings)
    controls = neutral()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NothingTouchedWarning)
        same = run(pipe, PROMPTS, *controls, steps=3, **settings)
    assert torch.equal(same, plain)
    said = [str(each.message).partition(":")[0] for each in caught]
    assert said == [f"{type(control).__name__} changed nothing" for control in controls]


@pytest.mark.parametrize("settings", [GUIDED, UNGUIDED], ids=["guided", "unguided"])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_neutral_controls_change_no_bit_with_any_scheduler(
    sd_pipe: Any, scheduler: str, settings: dict[str, Any]
) -> None:
    switch(sd_pipe, scheduler)
    check(sd_pipe, settings)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("settings", [GUIDED, UNGUIDED], ids=["guided", "unguided"])
def test_neutral_controls_change_no_bit_in_half_precision(
    sd_pipe: Any, dtype: torch.dtype, settings: dict[str, Any]
) -> None:
    check(sd_pipe.to(dtype), settings)


@pytest.mark.parametrize("settings", [GUIDED, UNGUIDED], ids=["guided", "unguided"])
def test_neutral_controls_change_no_bit_in_sdxl(sdxl_pipe: Any, settings: dict[str, Any]) -> None:
    check(sdxl_pipe, settings)


def test_an_error_halfway_leaves_the_model_and_its_scheduler_as_they_were(sd_pipe: Any) -> None:
    class Fails(Control):
        def after_step(self, step: Any, latents: Tensor) -> Tensor:
            raise ZeroDivisionError

    before = [id(processor) for processor in sd_pipe.unet.attn_processors.values()]
    with pytest.raises(ZeroDivisionError):
        run(sd_pipe, PROMPTS, *neutral(), Fails())
    assert [id(processor) for processor in sd_pipe.unet.attn_processors.values()] == before
    assert "step" not in vars(sd_pipe.scheduler)
    assert not sd_pipe.unet._forward_pre_hooks
