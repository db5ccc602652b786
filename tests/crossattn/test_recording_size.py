"""How much a trace takes: known before the run, refused over its limit, no more for more steps."""

from typing import Any

import pytest

from crossattn import Recorder, TraceError, attach

PROMPT = "a red car left of a blue balloon on grass"


def test_a_trace_over_its_limit_is_refused_with_its_size(sd_pipe: Any) -> None:
    with (
        pytest.raises(TraceError, match=r"MiB, over the limit of 0"),
        attach(sd_pipe, Recorder(limit=1000), prompt=PROMPT),
    ):
        sd_pipe(PROMPT, num_inference_steps=1, height=64, width=64, output_type="latent")


def test_the_memory_of_a_trace_is_known_before_the_run(sd_pipe: Any) -> None:
    prompts, negatives = ["a red car", PROMPT], [PROMPT + " and on and on", ""]
    recorder = Recorder(bins=2, heads=True, negative=True)
    size = {"height": 48, "width": 80}
    foreseen = recorder.nbytes(sd_pipe, prompts, negatives, steps=3, images=2, **size)
    with attach(sd_pipe, recorder, prompt=prompts, negative_prompt=negatives):
        sd_pipe(
            prompts,
            negative_prompt=negatives,
            num_images_per_prompt=2,
            num_inference_steps=3,
            output_type="latent",
            **size,
        )
    record = recorder.trace.view.record
    held = sum(sums.nbytes for sums in (*record.maps.values(), *record.mass.values()))
    assert foreseen == recorder.trace.nbytes == held


def test_more_steps_take_no_more_memory_but_for_the_step_profile(sd_pipe: Any) -> None:
    few, many = (
        Recorder().nbytes(sd_pipe, PROMPT, steps=steps, height=64, width=64) for steps in (2, 50)
    )
    sites, tokens = 6, 14
    assert many - few == 48 * sites * tokens * 4
