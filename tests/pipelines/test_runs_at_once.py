"""Runs over one pipeline that go on at once are each as if alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

pytestmark = pytest.mark.slow

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


def test_a_run_that_is_paused_while_others_go_on_ends_as_if_alone(sd_pipe: Any) -> None:
    alone = finish(run(CAR, pipe=sd_pipe))
    paused = run(CAR, pipe=sd_pipe)
    next(paused), next(paused)
    finish(run(DOG, pipe=sd_pipe))
    result = finish(paused)
    assert facts(result) == facts(alone)
    assert result.trace.view.visits == alone.trace.view.visits


def test_interleaved_runs_end_as_if_alone(sd_pipe: Any) -> None:
    alone = [facts(finish(run(one, pipe=sd_pipe))) for one in (CAR, DOG, CAR)]
    together = [run(one, pipe=sd_pipe) for one in (CAR, DOG, CAR)]
    results: dict[int, Result] = {}
    while len(results) < len(together):
        for number, events in enumerate(together):
            if number not in results and isinstance(event := next(events), Result):
                results[number] = event
    assert [facts(results[number]) for number in range(len(together))] == alone


def test_runs_in_threads_end_as_if_alone(sd_pipe: Any) -> None:
    asked = [CAR, DOG, CAR.replace(seed=5), DOG.replace(guidance=1.0)]
    alone = [facts(finish(run(one, pipe=sd_pipe))) for one in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        made = list(pool.map(lambda one: facts(finish(run(one, pipe=sd_pipe))), asked))
    assert made == alone


def test_a_run_may_go_on_in_another_thread(sd_pipe: Any) -> None:
    alone = finish(run(CAR, pipe=sd_pipe))
    events = run(CAR, pipe=sd_pipe)
    next(events)
    with ThreadPoolExecutor(1) as pool:
        assert facts(pool.submit(finish, events).result()) == facts(alone)
