"""Controls stay on the model's device: nothing is fetched while the model runs."""

from typing import Any

import pytest
import torch
from launches import run_on_meta

from crossattn import Control, attach, read_prompt
from crossattn.controls import (
    AttendAndExcite,
    Box,
    HoldRegions,
    LocalBlend,
    Mechanism,
    MutualSelfAttention,
    PaintRegions,
    Refine,
    Replace,
    Reweight,
    ShareSelfAttention,
    SourceRecorder,
    TopK,
    Window,
)
from crossattn.controls.support.ahead import Ahead
from crossattn.dialects import Dialect
from crossattn.encoders import tokenizers_of
from crossattn.pipelines.denoise import Conditioning
from crossattn.pipelines.weighting import weigh_controls
from crossattn.rows import Rows
from crossattn.step import Step

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
        (["a red car"], [Mechanism("linear")]),
        (["a red car"], [Mechanism("window:2"), PaintRegions(LEFT)]),
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
    sd_pipe: Any, prompts: list[str], controls: list[Control]
) -> None:
    # Nothing can be fetched from this device, so any transfer during the run would fail.
    assert len(run_on_meta(sd_pipe, prompts, *controls, steps=2)) == 2


@pytest.mark.parametrize("dialect", ["attention", "attention-normalised"])
def test_weights_written_into_an_edited_prompt_lie_on_the_device(
    sd_pipe: Any, dialect: Dialect
) -> None:
    prompts = [read_prompt(text, tokenizers_of(sd_pipe)) for text in ("a car", "a (cat:1.5)")]
    plain = Conditioning(torch.zeros(2, 77, 16), None, guided=False)
    _, weights, *_ = weigh_controls(prompts, (), dialect, plain, joint=False)[0]
    both = [prompt.text for prompt in prompts]
    assert run_on_meta(sd_pipe, both, Replace(WHOLE), weights, steps=2)


def test_a_source_is_kept_and_edited_without_leaving_the_device(sd_pipe: Any) -> None:
    source, target = "a red car", "a blue car"
    recorder = SourceRecorder(cross=WHOLE, self_attention=WHOLE, keys_values=WHOLE)
    run_on_meta(sd_pipe, [source], recorder, steps=2, negative="")
    assert recorder.run.device.type == "meta"
    kept = {"source": recorder.run}
    edits = [Replace(WHOLE, **kept), ShareSelfAttention(WHOLE, **kept), LocalBlend(**kept)]
    run_on_meta(sd_pipe, [target], *edits, steps=2, negative="")
    run_on_meta(sd_pipe, [target], MutualSelfAttention(WHOLE, **kept), steps=2, negative="")


def test_a_source_over_its_budget_is_kept_in_the_hosts_memory(sd_pipe: Any) -> None:
    prompt, settings = "a red car", {"steps": 2, "height": 64, "width": 64}
    needed = SourceRecorder().nbytes(sd_pipe, prompt, **settings)
    for on_device, place in ((needed, "meta"), (needed - 1, "cpu")):
        recorder = SourceRecorder(on_device=on_device)
        with attach(sd_pipe, recorder, prompt=prompt) as session:
            session.latents.announce({"sample": torch.empty(2, 4, 8, 8, device="meta")})
            rows = Rows.by_blocks(2, ("negative", "positive"), 1)
            sd_pipe.scheduler.set_timesteps(2)
            recorder.before_step(Step(0, 0, 2, 0, 0, 0.0, 0.0, 8, 8, 77, rows))
        assert (recorder.run.nbytes, recorder.run.device.type) == (needed, place)


def test_what_is_kept_in_the_hosts_memory_is_fetched_one_step_ahead() -> None:
    kept = {"query": torch.arange(12.0).view(4, 3), "key": torch.arange(8.0).view(4, 2)}
    ahead = Ahead(kept)
    for step in range(4):
        for name, tensor in kept.items():
            assert torch.equal(ahead.get(name, step, torch.device("cpu")), tensor[step])
        assert ahead.held == tuple(range(step, min(step + 2, 4)))
