"""Videos: a map for each frame, words held in every frame, and what pictures alone can have."""

import copy
import functools
from typing import Any

import pytest
import torch
from joint_oracle import Meeting, Oracle
from tiny_models import PROMPT, TINY, draw
from torch import Tensor

from crossattn import ControlError, Recorder, TraceError, attach
from crossattn.controls import Box, HoldRegions, LocalBlend, Reweight, SourceRecorder, Window
from crossattn.errors import UnsupportedModelError
from crossattn.words import token_positions

VIDEOS = ["wan", "ltx", "cogvideox"]
FRAMES, HEIGHT, WIDTH = 2, 3, 4

every = pytest.mark.parametrize("name", VIDEOS)


@functools.cache
def pipe_of(name: str) -> Any:
    pipe = TINY[name].make()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@every
def test_each_frame_has_a_map_of_its_own(name: str) -> None:
    tiny, pipe = TINY[name], pipe_of(name)
    recorder = Recorder(heads=True)
    with attach(pipe, recorder, prompt=PROMPT):
        draw(name, pipe, guided=False)
    with Oracle(pipe.transformer, tiny.layers) as oracle:
        draw(name, pipe, guided=False)
    trace = recorder.trace.by("mean")
    assert trace.frames == FRAMES
    places = token_positions(trace.prompt.named("car"))
    seen = torch.stack([torch.stack(each).mean((0, 1, 2)) for each in oracle.seen.values()])
    image = tiny.image(seen.shape[-2]) if tiny.order != "cross" else slice(None)
    text = seen.mean(0)[image][:, tiny.text(seen.shape[-1])][:, list(places)].sum(-1)
    expected = text.view(FRAMES, HEIGHT, WIDTH)
    for index in range(FRAMES):
        at = trace.frame(index)
        own = torch.stack([at.view.mean(site, places).mean(0) for site in at.view.sites]).mean(0)
        torch.testing.assert_close(own.double(), expected[index], rtol=0, atol=1e-6)
        assert at["car"].mass == pytest.approx(float(expected[index].mean()), abs=1e-6)
    assert not torch.allclose(expected[0], expected[1], atol=1e-4)
    assert dict(trace.mass)[trace.prompt.word("car")] == pytest.approx(float(expected.mean()))
    with pytest.raises(TraceError, match=r"holds 2 frames: choose one with trace\.frame\(0\)"):
        _ = trace["car"]
    with pytest.raises(TraceError, match=r"frame\(2\): the trace holds frames 0 to 1"):
        trace.frame(2)


@every
def test_a_word_is_held_to_its_region_in_every_frame(name: str) -> None:
    tiny, pipe = TINY[name], pipe_of(name)
    with attach(pipe, recorder := Recorder(), prompt=PROMPT):
        plain = draw(name, pipe, guided=False)
    held = token_positions(recorder.trace.prompt.named("car"))

    def edit(met: Meeting) -> Tensor:
        bias = met.bias.expand(len(met.query), -1, met.query.shape[2], met.key.shape[2]).clone()
        below = [at for at in range(tiny.pixels) if at % (HEIGHT * WIDTH) >= 2 * WIDTH]
        queries = torch.arange(bias.shape[-2])[tiny.image(bias.shape[-2])][below]
        for token in held:
            bias[:, :, queries, tiny.text(bias.shape[-1]).start + token] = float("-inf")
        met.bias = bias
        return met.probabilities() @ met.value

    with Oracle(pipe.transformer, tiny.layers, edit):
        expected = draw(name, pipe, guided=False)
    with attach(pipe, HoldRegions({"car": Box(0, 0, 1, 0.6)}), prompt=PROMPT):
        made = draw(name, pipe, guided=False)
    effect = (expected - plain).abs().max()
    assert effect > 2e-4
    assert (made - expected).abs().max() < 0.01 * effect


@pytest.mark.parametrize("control", [LocalBlend(["car"]), SourceRecorder()], ids=type)
def test_what_works_on_the_latents_of_pictures_is_refused_by_name(control: Any) -> None:
    prompts = [PROMPT, PROMPT] if isinstance(control, LocalBlend) else PROMPT
    refused = pytest.raises(ControlError, match=f"{type(control).__name__} reads or changes the")
    with refused, attach(pipe_of("wan"), control, prompt=prompts):
        draw("wan", pipe_of("wan"), prompts, guided=False)


def test_two_transformers_that_take_turns_are_recorded_and_weighed_as_one() -> None:
    pipe = TINY["wan"].make()
    pipe.set_progress_bar_config(disable=True)
    plain, recorder = (Recorder(bins=2, heads=True) for _ in range(2))
    with attach(pipe, plain, prompt=PROMPT):
        draw("wan", pipe, guided=True)
    first = pipe.transformer
    # The same weights take over halfway, and then others.
    pipe.transformer_2, timesteps = copy.deepcopy(first), pipe.scheduler.timesteps
    pipe.register_to_config(boundary_ratio=float(timesteps.float().mean()) / 1000)
    with attach(pipe, recorder, prompt=PROMPT):
        made = draw("wan", pipe, guided=True)
    assert torch.equal(made, draw("wan", pipe, guided=True))
    for key, maps in plain.trace.view.record.maps.items():
        torch.testing.assert_close(recorder.trace.view.record.maps[key], maps)
    with attach(pipe, Reweight({"car": 4.0}, window=Window(0.5, 1)), prompt=PROMPT):
        weighed = draw("wan", pipe, guided=True)
    assert (weighed - made).abs().max() > 1e-4
    assert not any(part._forward_hooks for part in pipe.transformer_2.modules())
    apart = pytest.raises(ControlError, match="two transformers in turn")
    with apart, attach(pipe, Recorder(heads="weighed"), prompt=PROMPT):
        pass


def test_transformers_of_two_kinds_and_videos_that_begin_with_a_picture_are_refused() -> None:
    pipe = TINY["wan"].make()
    pipe.transformer_2 = TINY["ltx"].make().transformer
    refused = pytest.raises(UnsupportedModelError, match="two transformers in turn")
    with refused, attach(pipe, Recorder(), prompt=PROMPT):
        pass
    model = pipe.transformer
    given = {
        "hidden_states": torch.zeros(1, 4, 2, 6, 8),
        "timestep": torch.ones(1),
        "encoder_hidden_states": torch.zeros(1, 40, 32),
        "encoder_hidden_states_image": torch.zeros(1, 4, 32),
    }
    refused = pytest.raises(UnsupportedModelError, match="begins with a picture")
    with refused, attach(model, Recorder(), guided=False):
        model(**given)
