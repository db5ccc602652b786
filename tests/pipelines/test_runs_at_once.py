"""Runs over one pipeline that go on at once are each as if alone."""

from collections.abc import Iterator
from typing import Any

from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

CAR = Recipe(prompt="a red car on grass", steps=4, seed=1, scheduler="euler-a")
DOG = Recipe(prompt="a blue dog", steps=3, seed=2)


def finish(events: Iterator[Progress | Result]) -> Result:
    *_, last = events
    assert isinstance(last, Result)
    return last


def facts(result: Result) -> tuple[Any, ...]:
    """All that a run gives but its time."""
    masses = [(word.text, word.tokens, word.mass) for word in result.words]
    return result.image.tobytes(), result.sampler, result.recipe, masses, result.warnings


def test_runs_left_in_any_order_leave_the_pipeline_as_it_was(sd_pipe: Any) -> None:
    scheduler, config = sd_pipe.scheduler, dict(sd_pipe.config)
    before = finish(run(DOG, pipe=sd_pipe))
    first, second = run(CAR, pipe=sd_pipe), run(DOG, pipe=sd_pipe)
    next(first), next(second)
    first.close()  # type: ignore[attr-defined]
    second.close()  # type: ignore[attr-defined]
    assert facts(finish(run(DOG, pipe=sd_pipe))) == facts(before)
    assert sd_pipe.scheduler is scheduler
    assert dict(sd_pipe.config) == config


def test_a_scheduler_that_is_in_use_elsewhere_is_not_touched(sd_pipe: Any) -> None:
    sd_pipe.scheduler.set_timesteps(7)
    finish(run(DOG, pipe=sd_pipe))
    assert len(sd_pipe.scheduler.timesteps) == 7
