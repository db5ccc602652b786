"""Controls stay on the model's device: nothing is fetched while the model runs."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattn import Control, attach
from crossattn.controls import (
    AttendAndExcite,
    Box,
    HoldRegions,
    LocalBlend,
    MutualSelfAttention,
    PaintRegions,
    Refine,
    Replace,
    Reweight,
    ShareSelfAttention,
    TopK,
    Window,
)
from crossattn.controls.support.edit_source import FromSource

pytestmark = pytest.mark.slow

WHOLE = Window()
LEFT = {"car": Box(0, 0, 0.5, 1)}
BLUE = {"blue": Box(0, 0, 0.5, 1)}


@pytest.mark.parametrize(
    ("prompts", "controls"),
    [
        (["a red car"], [Reweight({"car": 2.0})]),
        (["a red car"], [Reweight({"car": 2.0}, normalised=True)]),
        (["a red car"], [TopK(3)]),
        (["a red car"], [HoldRegions(LEFT), PaintRegions(LEFT)]),
        (["a red car"], [TopK(3), PaintRegions(LEFT)]),
        (["a red car"], [AttendAndExcite(["car"], window=WHOLE, thresholds={})]),
        (["a red car", "a blue car"], [Replace(WHOLE), ShareSelfAttention(WHOLE), LocalBlend()]),
        (["a red car", "a blue car"], [Replace(WHOLE), Reweight({"blue": 2.0}), HoldRegions(BLUE)]),
        (["a red car", "a blue car"], [Refine(WHOLE), MutualSelfAttention(WHOLE)]),
    ],
    ids=lambda value: "+".join(
        each if isinstance(each, str) else type(each).__name__ for each in value
    ),
)
def test_a_control_fetches_nothing_from_the_models_device(
    sd_pipe: Any, monkeypatch: pytest.MonkeyPatch, prompts: list[str], controls: list[Control]
) -> None:
    # The noise of source and target is compared once a run by each control that has both.
    compared: list[Tensor] = []

    def equal(one: Tensor, other: Tensor) -> bool:
        compared.append(one)
        return True

    monkeypatch.setattr(torch, "equal", equal)
    # Nothing can be fetched from this device, so any transfer during the run would fail.
    unet, scheduler = sd_pipe.unet.to("meta"), sd_pipe.scheduler
    pipe = SimpleNamespace(unet=unet, scheduler=scheduler, tokenizer=sd_pipe.tokenizer)
    rows = len(prompts)
    latents = torch.empty(rows, 4, 8, 8, device="meta")
    text = torch.empty(rows, 77, unet.config.cross_attention_dim, device="meta")
    scheduler.set_timesteps(4)
    with attach(pipe, *controls, prompt=prompts), torch.no_grad():
        for timestep in scheduler.timesteps:
            noise = unet(latents, timestep, encoder_hidden_states=text).sample
            latents = scheduler.step(noise, timestep, latents).prev_sample
    assert latents.device.type == "meta"
    assert len(compared) == sum(isinstance(control, FromSource) for control in controls)
