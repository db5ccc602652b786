"""Asking a trace: by word, phrase, token, step, layer, head and resolution; saving and loading."""

from typing import Any

import pytest
import torch
from tiny_pictures import run

from crossattn import Recorder, Trace, TraceError, WordNotFoundError

PROMPT = "a red car left of a blue balloon on grass"


def recorded(pipe: Any, recorder: Recorder, *, prompt: str = PROMPT, steps: int = 3) -> Trace:
    run(pipe, prompt, recorder, steps=steps)
    return recorder.trace


def test_all_tokens_of_a_pixel_sum_to_one(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder()).by("mean")
    total = trace.start.data + trace.end.data + trace.padding.data
    total = total + sum(heat.data for heat in trace.words)
    torch.testing.assert_close(total, torch.ones_like(total))
    shares = sum(share for _, share in trace.mass)
    assert shares + trace.start.mass + trace.end.mass + trace.padding.mass == pytest.approx(1)


def test_over_words_a_pixels_words_sum_to_one(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder())
    total = sum(heat.data for heat in trace.by("mean").over("words").words)
    torch.testing.assert_close(total, torch.ones(8, 8))


def test_over_the_words_of_a_prompt_without_any_nothing_has_a_share(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder(), prompt="").over("words")
    assert trace.words == ()
    assert (trace.start.data == 0).all()


def test_steps_layers_and_heads_add_up_to_the_whole(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder(bins=3, heads=True))
    whole = trace.by("mean").at(layers="up", resolution=4)
    steps = torch.stack([whole.at(steps=i)["car"].data for i in range(3)]).mean(0)
    torch.testing.assert_close(whole["car"].data, steps)
    heads = torch.stack([whole.at(heads=i)["car"].data for i in range(whole.view.sites[0].heads)])
    torch.testing.assert_close(whole["car"].data, heads.mean(0))
    assert whole.profile("car").mean() == pytest.approx(whole["car"].mass)


def test_steps_that_were_not_kept_apart_are_refused(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder(bins=2), steps=4)
    assert trace.at(steps=slice(0, 2))["car"].mass > 0
    with pytest.raises(TraceError, match=r"2 group\(s\) that begin at 0, 2"):
        trace.at(steps=1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"steps": 4}, "leaves no step; there are steps 0 to 3"),
        ({"steps": slice(3, 1)}, "leaves no step"),
        ({"heads": 2}, "the heads of every chosen site are 0, 1"),
        ({"heads": []}, "heads of every chosen site"),
        (
            {"layers": "middle"},
            r"there are down.1, up.0, up.1, mid, at 8 × 8, 4 × 4",
        ),
        ({"resolution": 16}, "leaves no site"),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_what_there_is(
    sd_pipe: Any, asked: dict[str, Any], message: str
) -> None:
    trace = recorded(sd_pipe, Recorder(bins=4, heads=True), steps=4)
    with pytest.raises(TraceError, match=message):
        trace.at(**asked)


def test_a_part_of_a_part_is_a_part_of_both(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder(bins=3, heads=True))
    early = trace.at(steps=slice(0, 2), heads=1)
    part = early.at(steps=slice(1, 3))
    assert torch.equal(part["car"].data, trace.at(steps=1, heads=1)["car"].data)
    with pytest.raises(TraceError, match="leaves no step"):
        early.at(steps=2)
    with pytest.raises(TraceError, match="heads of every chosen site are 1"):
        early.at(heads=0)


def test_a_way_of_reading_that_does_not_exist_is_refused(sd_pipe: Any) -> None:
    trace = recorded(sd_pipe, Recorder())
    with pytest.raises(TraceError, match='"max" is unknown here: choose among semantic, mean'):
        trace.by("max")  # type: ignore[arg-type]
    with pytest.raises(TraceError, match="choose among tokens, words"):
        trace.over("all")  # type: ignore[arg-type]


def test_a_trace_is_the_same_after_saving_and_loading(sd_pipe: Any, tmp_path: Any) -> None:
    trace = recorded(sd_pipe, Recorder(bins=3))
    trace.save(tmp_path / "trace.safetensors")
    loaded = Trace.load(tmp_path / "trace.safetensors")
    assert loaded.prompt == trace.prompt
    assert torch.equal(loaded["car"].data, trace["car"].data)
    assert torch.equal(loaded.profile("car"), trace.profile("car"))


def test_a_trace_is_not_saved_into_a_folder_that_is_not_there(sd_pipe: Any, tmp_path: Any) -> None:
    trace = recorded(sd_pipe, Recorder())
    with pytest.raises(TraceError, match=r"Cannot write .*there is no folder .*; make it first"):
        trace.save(tmp_path / "runs" / "trace.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_trace_is_refused(tmp_path: Any) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(TraceError, match="cannot be read as a trace"):
        Trace.load(tmp_path / "x.safetensors")


def test_words_repeated_phrases_and_unknown_ones_are_told_apart(sd_pipe: Any) -> None:
    prompt = "a red dog and a blue dog"
    trace = recorded(sd_pipe, Recorder(), prompt=prompt).by("mean")
    first, second = (trace.word("dog", occurrence).data for occurrence in (1, 2))
    assert not torch.equal(first, second)
    torch.testing.assert_close(trace["dog"].data, first + second)
    torch.testing.assert_close(trace["blue dog"].data, trace["blue"].data + second)
    profiles = [trace.profile(text)[0] for text in ("blue dog", "blue")]
    assert profiles[0] > profiles[1]
    assert torch.equal(trace.phrase("dog", occurrence=2).data, second)
    with pytest.raises(WordNotFoundError, match="did you mean"):
        trace["dogs"]
