"""A neutral control changes nothing beside any other, whichever comes first."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_pictures import SOURCE, TARGET, sharpen
from torch import Tensor

from crossattn import Control, ControlError, Recorder, attach
from crossattn.controls import (
    AttendAndExcite,
    Box,
    Edit,
    HoldRegions,
    LocalBlend,
    Mechanism,
    MutualSelfAttention,
    PaintRegions,
    Refine,
    Replace,
    Reweight,
    ShareSelfAttention,
    TopK,
    Window,
)

pytestmark = pytest.mark.slow

PROMPTS = [SOURCE, TARGET]
NONE, WHOLE = Window(0, 0), Window()
HALF = {"grass": Box(0, 0, 0.5, 1)}

ACTIVE: dict[str, Callable[[], Control]] = {
    "Reweight": lambda: Reweight({"grass": 2.5}),
    "Reweight, normalised": lambda: Reweight({"grass": 2.5}, normalised=True),
    "Replace": lambda: Replace(WHOLE),
    "Refine": lambda: Refine(WHOLE),
    "ShareSelfAttention": lambda: ShareSelfAttention(WHOLE),
    "MutualSelfAttention": lambda: MutualSelfAttention(WHOLE),
    "HoldRegions": lambda: HoldRegions(HALF),
    "PaintRegions": lambda: PaintRegions(HALF, weight=3.0),
    "TopK": lambda: TopK(3),
    "Mechanism": lambda: Mechanism("linear"),
    "AttendAndExcite": lambda: AttendAndExcite("grass", thresholds={}),
    "LocalBlend": lambda: LocalBlend(["car", "balloon"], threshold=0.9, window=WHOLE),
    "Recorder": lambda: Recorder(),
}

# Some have nothing to do, some do next to nothing, which takes them the whole way.
NEUTRAL: dict[str, Callable[[], Control]] = {
    "Reweight": lambda: Reweight({"grass": 1 + 2e-7}),
    "Reweight, normalised": lambda: Reweight({"grass": 1 + 2e-7}, normalised=True),
    "Replace": lambda: Replace(NONE, on_nothing="warn"),
    "Refine": lambda: Refine(NONE, on_nothing="warn"),
    "ShareSelfAttention": lambda: ShareSelfAttention(pixels=0, on_nothing="warn"),
    "MutualSelfAttention": lambda: MutualSelfAttention(NONE, on_nothing="warn"),
    "HoldRegions": lambda: HoldRegions(HALF, strength=1e-9),
    "PaintRegions": lambda: PaintRegions(HALF, weight=1e-9),
    "TopK": lambda: TopK(77, on_nothing="warn"),
    "Mechanism": lambda: Mechanism("scaled"),
    "AttendAndExcite": lambda: AttendAndExcite("grass", step_size=1e-9),
    "LocalBlend": lambda: LocalBlend(["car", "balloon"], threshold=0.0, window=WHOLE),
    "Recorder": lambda: Recorder(),
}


def is_refused(first: Control, second: Control) -> bool:
    """Whether a mechanism stands behind what an edit made of the map, and cannot make it again."""
    idle = isinstance(first, Edit) and first.on_nothing == "warn"
    others = AttendAndExcite, LocalBlend, MutualSelfAttention, Recorder, ShareSelfAttention
    return isinstance(second, Mechanism) and not idle and not isinstance(first, others)


class Model:
    """The first step of a model, unguided, for two prompts and the same noise."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.text, _ = pipe.encode_prompt(PROMPTS, "cpu", 1, False)
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        self.noise = noise.repeat(2, 1, 1, 1)

    def step(self, *controls: Control) -> tuple[Tensor, ...]:
        """The target's latents, and its words' maps where a recorder is among the controls.

        The source of an edit is spared by the controls beside it, so its latents may differ.
        """
        scheduler = self.pipe.scheduler
        scheduler.set_timesteps(2)
        timestep = scheduler.timesteps[0]
        with attach(self.pipe, *controls, prompt=PROMPTS, guided=False), torch.no_grad():
            predicted = self.pipe.unet(self.noise, timestep, encoder_hidden_states=self.text).sample
            latents = scheduler.step(predicted, timestep, self.noise).prev_sample
        traces = [each.trace.image(1) for each in controls if isinstance(each, Recorder)]
        return latents[1], *(heat.data for trace in traces for heat in trace.words)


@pytest.fixture(scope="module")
def model(loaded_sd: Any) -> Model:
    return Model(sharpen(copy.deepcopy(loaded_sd)))


@pytest.fixture(scope="module")
def plain(model: Model) -> Tensor:
    latents, *_ = model.step()
    return latents


@pytest.mark.filterwarnings("ignore::crossattn.controls.NothingTouchedWarning")
@pytest.mark.parametrize("active", ACTIVE)
def test_a_control_does_the_same_beside_any_neutral_one_in_both_orders(
    model: Model, plain: Tensor, active: str
) -> None:
    alone = model.step(ACTIVE[active]())
    assert active == "Recorder" or (alone[0] - plain).abs().max() > 1e-3
    for neutral in NEUTRAL:
        for control, other in itertools.permutations((ACTIVE[active], NEUTRAL[neutral])):
            first, second = control(), other()
            if is_refused(first, second):
                with pytest.raises(ControlError, match="put it first"):
                    model.step(first, second)
                continue
            for one, expected in zip(model.step(first, second), alone, strict=False):
                difference = (one - expected).abs().max()
                assert difference <= 1e-5, f"{neutral}: {difference}"
