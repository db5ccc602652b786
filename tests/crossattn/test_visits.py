"""Maps are divided by the visits that were: caches skip layers, backward passes run them again."""

from collections import Counter
from typing import Any

import pytest
import torch
from diffusers import PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast

from crossattn import Attention, Control, LayerCall, Recorder, TraceError, attach, layers, sites
from crossattn.controls import Replace, ShareSelfAttention, Window
from crossattn.site import Site
from crossattn.step import Step

PROMPT = "a red car on grass"


def drawn(pipe: Any, prompt: Any = PROMPT, **settings: Any) -> torch.Tensor:
    few = {"num_inference_steps": 6, "height": 64, "width": 64, "output_type": "latent"}
    return pipe(prompt, generator=torch.Generator().manual_seed(0), **few | settings).images


class Visits(Control):
    """Notes the step and the probabilities of each visit to the first site."""

    def __init__(self) -> None:
        self.seen: dict[int, torch.Tensor] = {}

    def attend(self, call: LayerCall, attention: Attention) -> None:
        if call.site.name.startswith("mid"):
            (row,) = call.step.rows.positive
            self.seen[call.step.index] = attention.probabilities(row)


def test_a_control_is_shown_what_it_says_it_acts_at_and_nothing_else(sd_pipe: Any) -> None:
    shown: list[tuple[str, int]] = []

    class Late(Control):
        def acts(self, site: Site, step: Step) -> bool:
            return site.block == "mid" and step.index > 3

        def attend(self, call: LayerCall, attention: Attention) -> None:
            shown.append((call.site.block, call.step.index))

    recorder = Recorder()
    with attach(sd_pipe, Late(), recorder, prompt=PROMPT):
        drawn(sd_pipe)
    assert shown == [("mid", 4), ("mid", 5)]
    assert recorder.trace.view.record.visits.tolist() == [1.0] * 6


def test_a_layer_where_nothing_acts_is_left_to_the_host(
    sd_pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    plain = layers.Layers.open
    monkeypatch.setattr(layers.Layers, "open", lambda *args: opened.append(args[1]) or plain(*args))
    with attach(sd_pipe, ShareSelfAttention(Window(0, 0.5), pixels=16), prompt=[PROMPT] * 2):
        drawn(sd_pipe, [PROMPT] * 2, latents=torch.ones(2, 4, 8, 8))
    coarse = [each for each in sites(sd_pipe) if each.kind == "self" and each.level]
    assert Counter(opened) == Counter({site.name: 3 for site in coarse})


def test_a_layer_whose_outcome_was_broadcast_has_no_map_of_that_step(sd_pipe: Any) -> None:
    config = PyramidAttentionBroadcastConfig(
        cross_attention_block_skip_range=3,
        cross_attention_timestep_skip_range=(0, 1000),
        current_timestep_callback=lambda: 500,
        cross_attention_block_identifiers=("transformer_blocks",),
    )
    apply_pyramid_attention_broadcast(sd_pipe.unet, config)
    plain = drawn(sd_pipe)
    for hooked in sd_pipe.unet.modules():
        if hasattr(hooked, "_diffusers_hook"):
            hooked._diffusers_hook.reset_stateful_hooks()
    visits, recorder = Visits(), Recorder(bins=6, heads=True)
    with attach(sd_pipe, visits, recorder, prompt=PROMPT):
        same = drawn(sd_pipe)
    assert torch.equal(plain, same)
    seen = list(visits.seen)
    assert 0 < len(seen) < 6
    mid = recorder.trace.at(layers="mid").by("mean")
    expected = torch.stack([probs[..., 3].mean() for probs in visits.seen.values()]).mean()
    assert mid["car"].mass == pytest.approx(float(expected), rel=1e-5)
    assert len(mid.profile("car")) == len(seen)
    missed = next(step for step in range(6) if step not in seen)
    with pytest.raises(TraceError, match="was not computed at the steps"):
        mid.at(steps=missed)["car"]


def test_recomputation_in_the_backward_pass_is_not_seen_again(sd_pipe: Any) -> None:
    unet = sd_pipe.unet.train()
    text = torch.randn(1, 77, unet.config.cross_attention_dim)
    masses = []
    for checkpoints in (False, True):
        if checkpoints:
            unet.enable_gradient_checkpointing()
        recorder = Recorder()
        with attach(unet, recorder):
            latents = torch.ones(1, 4, 8, 8, requires_grad=True)
            unet(latents, 500, encoder_hidden_states=text).sample.sum().backward()
        masses.append(sum(recorder.trace.token(token).mass for token in range(77)))
    assert masses == pytest.approx([1.0, 1.0])


def test_guidance_that_ends_leaves_the_negative_maps_of_the_steps_that_had_it(sd_pipe: Any) -> None:
    def cut(pipe: Any, step: int, timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
        if step == 2:
            pipe._guidance_scale = 0.0
            state["prompt_embeds"] = state["prompt_embeds"][-1:]
        return state

    ends = {"callback_on_step_end": cut, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    recorder = Recorder(negative=True)
    with attach(sd_pipe, recorder, prompt=PROMPT, negative_prompt="the dog"):
        drawn(sd_pipe, negative_prompt="the dog", **ends)
    negative = recorder.trace.negative.by("mean")
    owned = [negative.start, *negative.words, negative.end, negative.padding]
    assert sum(each.mass for each in owned) == pytest.approx(1.0)
    assert len(negative.profile("dog")) == 3


@pytest.mark.parametrize("strength", [0.5, 0.8])
def test_windows_are_shares_of_the_run_and_not_of_the_schedule(
    sd_pipe: Any, strength: float
) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline
    from PIL import Image

    pipe = StableDiffusionImg2ImgPipeline(**sd_pipe.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    swap = Replace(Window(0, 0.4))
    prompts = ["a red car", "a red dog"]
    with attach(pipe, swap, prompt=prompts):
        picture = [Image.new("RGB", (64, 64))] * 2
        latents = torch.Generator().manual_seed(0)
        pipe(
            prompts,
            image=picture,
            strength=strength,
            num_inference_steps=10,
            generator=[latents, latents.clone_state()],
            output_type="latent",
        )
    assert {step for _, step in swap.touched} == set(range(int(10 * strength * 0.4)))


def test_a_scheduler_put_in_during_the_attach_is_followed(sd_pipe: Any) -> None:
    from diffusers import EulerDiscreteScheduler

    first = sd_pipe.scheduler
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        sd_pipe.scheduler = EulerDiscreteScheduler.from_config(first.config)
        drawn(sd_pipe)
        record = recorder.trace.view.record
    assert record.visits.tolist() == [1.0] * 6
    assert torch.allclose(record.sigmas, sd_pipe.scheduler.sigmas[:-1])
    assert "step" not in vars(first)
    assert "step" not in vars(sd_pipe.scheduler)
