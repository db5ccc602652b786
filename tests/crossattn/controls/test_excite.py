"""Attend-and-Excite: no word of the prompt is forgotten, whatever the scheduler."""

from typing import Any

import pytest
import torch
from tiny_pictures import SCHEDULERS, run, switch
from torch import Tensor

from crossattn import Control, ControlError, Recorder, Step, attach
from crossattn.controls import AttendAndExcite, Replace, Window

PROMPT = "a red car left of a blue balloon"


class Seen(Control):
    """Keeps what the denoiser was given, and the latents behind each of its calls."""

    def start(self, session: Any) -> None:
        self.session = session
        self.given: list[Tensor] = []
        self.made: list[Tensor] = []

    def shift(self, step: Step) -> None:
        self.given.append(self.session.latents.given)

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        self.made.append(latents)
        return latents


def test_the_first_steps_noise_is_moved_along_the_gradient(sd_pipe: Any) -> None:
    excite = AttendAndExcite(["car"], window=Window(0, 0.25), thresholds={}, step_size=10)
    double = AttendAndExcite(["car"], window=Window(0, 0.25), thresholds={}, step_size=20)
    plain, once, twice = Seen(), Seen(), Seen()
    run(sd_pipe, PROMPT, plain)
    run(sd_pipe, PROMPT, excite, once)
    run(sd_pipe, PROMPT, double, twice)
    assert {step for _, step in excite.touched} == {0}
    moved = once.given[0] - plain.given[0]
    assert moved.any()
    assert torch.equal(*moved.chunk(2))  # the same for both sides of guidance
    torch.testing.assert_close(twice.given[0] - plain.given[0], 2 * moved, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_words_are_excited_with_every_scheduler(sd_pipe: Any, scheduler: str) -> None:
    switch(sd_pipe, scheduler)
    settings = {"guidance_scale": 1.0}
    plain, excited = Recorder(bins=4), Recorder(bins=4)
    before = run(sd_pipe, PROMPT, plain, **settings)
    control = AttendAndExcite(["car"], step_size=100, thresholds={})
    after = run(sd_pipe, PROMPT, control, excited, **settings)
    assert {step for _, step in control.touched} == {0, 1}
    assert after.isfinite().all() and not torch.equal(before, after)
    first = [each.trace.at(steps=0).over("words")["car"].data for each in (plain, excited)]
    assert first[1].max() > first[0].max()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_scheduler_goes_on_from_the_latents_that_the_denoiser_saw(
    sd_pipe: Any, scheduler: str
) -> None:
    switch(sd_pipe, scheduler)

    class Shift(Control):
        def shift(self, step: Step) -> Tensor | None:
            return torch.full((1, 4, 8, 8), 0.25) if step.evaluation == 0 else None

    moved, begun = Seen(), Seen()
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    run(sd_pipe, PROMPT, Shift(), moved, latents=noise)
    # The pipeline multiplies what it is given by the noise that the scheduler begins with.
    run(sd_pipe, PROMPT, begun, latents=noise + 0.25 / sd_pipe.scheduler.init_noise_sigma)
    for one, other in zip(moved.given + moved.made, begun.given + begun.made, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_recorders_see_the_run_and_nothing_of_the_runs_on_the_side(sd_pipe: Any) -> None:
    recorder = Recorder(bins=4)
    run(sd_pipe, PROMPT, AttendAndExcite(["car"], refinements=1), recorder)
    assert recorder.trace.view.record.visits.tolist() == [1.0] * 4


def test_a_step_of_second_order_is_moved_where_it_begins_and_not_halfway(sd_pipe: Any) -> None:
    switch(sd_pipe, "HeunDiscreteScheduler")
    calls: list[int] = []

    class Counted(AttendAndExcite):
        def shift(self, step: Step) -> Tensor | None:
            if (by := super().shift(step)) is not None:
                calls.append(step.evaluation)
            return by

    run(sd_pipe, PROMPT, Counted(["car"], window=Window(), thresholds={}))
    assert calls == [0, 2, 4, 6]


def test_exciting_goes_on_until_a_threshold_is_reached(sd_pipe: Any) -> None:
    def excited(value: float, **settings: Any) -> Tensor:
        once = Window(0, 0.25)
        control = AttendAndExcite(["car"], window=once, thresholds={0.0: value}, **settings)
        return run(sd_pipe, PROMPT, control)

    once = run(sd_pipe, PROMPT, AttendAndExcite(["car"], window=Window(0, 0.25), thresholds={}))
    assert torch.equal(excited(0.0), once)
    assert torch.equal(excited(0.99, refinements=0), once)
    assert not torch.equal(excited(0.99, refinements=3), once)


def test_each_image_of_a_batch_is_excited_as_if_alone(sd_pipe: Any) -> None:
    prompts = [PROMPT, "a blue car on grass"]
    settings: dict[str, Any] = {"thresholds": {0.0: 0.2}, "refinements": 4, "step_size": 100}
    both = run(sd_pipe, prompts, AttendAndExcite(["car"], **settings))
    for image, prompt in zip(both, prompts, strict=True):
        alone = run(sd_pipe, [prompt], AttendAndExcite(["car"], **settings))
        torch.testing.assert_close(image, alone[0], atol=1e-4, rtol=1e-4)


def test_the_source_of_an_edit_is_not_excited(sd_pipe: Any) -> None:
    prompts = ["a red car", "a red car on grass"]
    plain = run(sd_pipe, prompts)
    swapped = ["a red car", "a red balloon"]
    edited = run(sd_pipe, swapped, Replace(), AttendAndExcite(["red"], thresholds={}))
    torch.testing.assert_close(edited[0], plain[0], atol=1e-5, rtol=1e-5)
    assert not torch.equal(edited[1], run(sd_pipe, swapped, Replace())[1])


def test_exciting_works_in_sdxl_and_off_the_square(sdxl_pipe: Any) -> None:
    control = AttendAndExcite(["car", "blue balloon"], thresholds={})
    size = {"height": 48, "width": 80}
    assert not torch.equal(run(sdxl_pipe, PROMPT, control, **size), run(sdxl_pipe, PROMPT, **size))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_exciting_works_in_half_precision(sd_pipe: Any, dtype: torch.dtype) -> None:
    sd_pipe.to(dtype)
    try:
        plain, excited = (
            run(sd_pipe, PROMPT),
            run(sd_pipe, PROMPT, AttendAndExcite(["car"], step_size=100, thresholds={})),
        )
    finally:
        sd_pipe.to(torch.float32)
    assert excited.dtype == dtype and excited.isfinite().all()
    assert not torch.equal(plain, excited)


def test_exciting_a_bare_model_says_that_it_takes_the_pipeline(sd_pipe: Any) -> None:
    from crossattn import read_prompt

    prompt = read_prompt(PROMPT, {"clip": sd_pipe.tokenizer})
    with (
        pytest.raises(ControlError, match="attach to the pipeline"),
        attach(sd_pipe.unet, AttendAndExcite(["car"]), prompt=prompt),
    ):
        raise AssertionError("must not be entered")


@pytest.mark.parametrize("settings", [{"thresholds": {1.5: 0.5}}, {"refinements": -1}])
def test_settings_that_are_none_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ControlError, match="expected"):
        AttendAndExcite(["car"], **settings)
