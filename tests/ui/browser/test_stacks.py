import base64
from typing import Any

import numpy as np
import pytest

from crossattn.errors import TraceError
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.trace import Trace
from crossattn.ui.browser import stacks


@pytest.fixture
def trace(sd_pipe: Any) -> Trace:
    recipe = Recipe(
        prompt="a red car", seed=7, steps=4, guidance=4.0, height=128, width=256, model="tiny"
    )
    *_, result = run(recipe, pipe=sd_pipe, bins=2, heads=True)
    assert isinstance(result, Result)
    return result.trace


def unpacked(stack: dict[str, Any], trace: Trace) -> np.ndarray:
    levels = np.frombuffer(base64.b64decode(stack["bytes"]), dtype=np.uint8)
    maps = levels.reshape(-1, *stacks.grid(trace)) / 255 * np.array(stack["top"])[:, None, None]
    return maps.reshape(stack["frames"], -1, *stacks.grid(trace))


def test_what_is_seen_of_all_heads_is_what_a_trace_without_heads_has(
    sd_pipe: Any, trace: Trace
) -> None:
    recipe = Recipe(
        prompt="a red car", seed=7, steps=4, guidance=4.0, height=128, width=256, model="tiny"
    )
    *_, result = run(recipe, pipe=sd_pipe)
    assert isinstance(result, Result)
    plain, seen = result.trace["car"].data, stacks.joined(trace)["car"].data
    assert seen.numpy() == pytest.approx(plain.numpy(), rel=1e-4)
    assert stacks.joined(result.trace) is result.trace


def test_bytes_are_the_words_own_maps(trace: Trace) -> None:
    trace = stacks.joined(trace)
    stack = stacks.whole(trace)
    assert stacks.grid(trace) == (8, 16)
    maps = unpacked(stack, trace)[0]
    place = trace.prompt.word("car").tokens[0][0]
    heat = trace["car"]
    coarse = heat.data.reshape(8, 2, 16, 2).mean((1, 3)).numpy()
    assert np.abs(maps[place] - coarse).max() <= 0.01 * coarse.max()
    assert stack["mass"][place] == pytest.approx(heat.mass, rel=1e-3)
    assert maps.sum(0) == pytest.approx(np.ones((8, 16)), abs=0.03), "padding makes up the rest"


def test_steps_recorded_together_share_a_frame_behind_that_of_them_all(trace: Trace) -> None:
    stack = stacks.steps(trace, "all", "all", None)
    assert stack["frames"] == 3
    maps = unpacked(stack, trace)
    assert maps[1:].mean(0) == pytest.approx(maps[0], abs=0.01)


def test_heads_average_to_the_whole(trace: Trace) -> None:
    stack = stacks.heads(trace, "all", "all", 0)
    maps = unpacked(stack, trace)
    assert maps.mean(0) == pytest.approx(unpacked(stacks.whole(trace), trace)[0], abs=0.01)
    assert stacks.heads(trace, "all", "all", 3)["frames"] == stack["frames"]


def test_what_was_not_recorded_is_told(trace: Trace) -> None:
    with pytest.raises(TraceError, match="leaves no site"):
        stacks.steps(trace, "down.7", "all", None)
    with pytest.raises(TraceError, match="steps 1 to 4, but 9 was asked"):
        stacks.heads(trace, "all", "all", 9)
