"""Controls beyond the matrix on transformers: kept sources, blends, mechanisms, moved latents."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_models import KINDS, PROMPT, TINY, draw

from crossattn import Control, ControlError, Recorder, attach
from crossattn.controls import (
    AttendAndExcite,
    LocalBlend,
    MutualSelfAttention,
    Replace,
    ShareSelfAttention,
    SourceRecorder,
    TopK,
    Window,
)
from crossattn.controls.mechanism import Mechanism

OTHER = "a red dog left of a blue balloon on grass"
ALWAYS = Window(0, 1)


@functools.cache
def pipe_of(name: str) -> Any:
    pipe = TINY[name].make()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(name: str, prompt: Any, *controls: Control) -> torch.Tensor:
    with attach(pipe_of(name), *controls, prompt=prompt):
        return draw(name, pipe_of(name), prompt, guided=True)


@functools.cache
def kept(name: str) -> SourceRecorder:
    recorder = SourceRecorder(cross=ALWAYS, self_attention=ALWAYS, keys_values=ALWAYS)
    assert torch.equal(drawn(name, PROMPT, recorder), draw(name, pipe_of(name), guided=True))
    return recorder


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "edit",
    [
        lambda source: Replace(ALWAYS, source=source),
        lambda source: ShareSelfAttention(ALWAYS, source=source),
        lambda source: MutualSelfAttention(ALWAYS, source=source),
        # By nouns the whole run's map is known where the source was kept, and not in the batch.
        lambda source: LocalBlend(by="words", source=source, window=ALWAYS, threshold=0.995),
    ],
    ids=["swap", "share", "mutual", "blend"],
)
def test_a_kept_source_does_what_one_in_the_batch_does(
    name: str, edit: Callable[[Any], Control]
) -> None:
    together = drawn(name, [PROMPT, OTHER], edit(None))[1:]
    alone = drawn(name, OTHER, edit(kept(name).run))
    effect = (together - draw(name, pipe_of(name), OTHER, guided=True)).abs().max()
    assert effect > 1e-3
    assert (together - alone).abs().max() < 0.01 * effect


@pytest.mark.parametrize("name", KINDS)
def test_what_keeps_every_token_changes_nothing(name: str) -> None:
    plain = draw(name, pipe_of(name), guided=True)
    for control in (Mechanism("scaled"), Mechanism("topk:all")):
        torch.testing.assert_close(drawn(name, PROMPT, control), plain, rtol=1e-3, atol=1e-4)
    assert (drawn(name, PROMPT, TopK(2)) - plain).abs().max() > 1e-3


@pytest.mark.parametrize("name", KINDS)
def test_a_word_is_excited_by_moving_the_latents_as_the_model_holds_them(name: str) -> None:
    plain = draw(name, pipe_of(name), guided=True)
    moved = drawn(name, PROMPT, AttendAndExcite("car", refinements=0))
    assert moved.shape == plain.shape and moved.isfinite().all()
    assert (moved - plain).abs().max() > 1e-3


def test_a_model_that_is_recorded_keeps_its_gradients() -> None:
    model = pipe_of("sd3").transformer
    text = torch.randn(1, 6, model.config.joint_attention_dim)
    pooled = torch.randn(1, model.config.pooled_projection_dim)
    given = {"encoder_hidden_states": text, "pooled_projections": pooled}
    found = []
    for controls in ((), (Recorder(),)):
        latents = torch.ones(1, model.config.in_channels, 8, 8, requires_grad=True)
        with attach(model, *controls):
            out = model(latents, timestep=torch.tensor([500.0]), **given).sample
        found += torch.autograd.grad(out.square().sum(), latents)
    assert torch.equal(*found) and found[0].abs().max() > 0


@pytest.mark.parametrize("name", ["flux", "flux2"])
def test_heads_are_weighed_where_a_layer_projects_them_by_itself(name: str) -> None:
    pipe = pipe_of(name)
    with attach(pipe, recorder := Recorder(heads="weighed", layers="double"), prompt=PROMPT):
        draw(name, pipe, guided=False)
    assert recorder.trace["car"].mass > 0
    refused = pytest.raises(ControlError, match="no projection of their own")
    with refused, attach(pipe, Recorder(heads="weighed"), prompt=PROMPT):
        pass
