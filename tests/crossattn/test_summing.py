"""What a record holds: of sites that are added together, in mid-run, after a failure."""

import gc
import weakref
from typing import Any

import pytest
import torch
from diffusers import HeunDiscreteScheduler, UNet2DConditionModel

from crossattn import Attention, Control, LayerCall, Recorder, attach, sites
from crossattn.site import Site
from crossattn.step import Step

PROMPT = "a red car left of a blue balloon on grass"


def latents(pipe: Any, **settings: Any) -> torch.Tensor:
    few = {"num_inference_steps": 3, "height": 64, "width": 64, "output_type": "latent"}
    return pipe(PROMPT, generator=torch.Generator().manual_seed(0), **few, **settings).images


@pytest.mark.parametrize("heads", [False, True], ids=["mean", "heads"])
@pytest.mark.parametrize("images", [1, 2])
def test_sites_recorded_together_are_as_each_by_itself(
    sd_pipe: Any, heads: bool, images: int
) -> None:
    settings: dict[str, Any] = {"bins": 3, "heads": heads, "negative": True}
    apart = [
        Recorder(layers=site.name, **settings) for site in sites(sd_pipe) if site.kind == "cross"
    ]
    together = Recorder(**settings)
    with attach(sd_pipe, together, *apart, prompt=PROMPT, negative_prompt=""):
        latents(sd_pipe, num_images_per_prompt=images, negative_prompt="")
    record = together.trace.view.record
    for place, one in enumerate(apart):
        own = one.trace.view.record
        for key, maps in own.maps.items():
            torch.testing.assert_close(record.maps[key], maps)
        for side, mass in own.mass.items():
            torch.testing.assert_close(record.mass[side][:, [place]], mass)


def test_a_trace_taken_in_mid_run_has_all_that_was_seen_by_then(sd_pipe: Any) -> None:
    recorder, taken = Recorder(bins=3), []

    def look(pipe: Any, step: int, timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
        taken.append(recorder.trace.view.record)
        return state

    with attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe, callback_on_step_end=look)
    whole = recorder.trace.view.record
    for step, record in enumerate(taken):
        assert torch.equal(record.mass["positive"][: step + 1], whole.mass["positive"][: step + 1])
        assert not record.mass["positive"][step + 1 :].any()


def test_a_run_that_fails_leaves_what_was_seen_by_then(sd_pipe: Any) -> None:
    recorder = Recorder()

    def fail(*_: Any) -> None:
        raise RuntimeError("in mid-step")

    coarse = sd_pipe.unet.up_blocks[0].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError), attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe)
    coarse.remove()
    record = recorder.trace.view.record
    seen = record.site_visits["positive"][0] > 0
    assert seen.any() and not seen.all()
    assert (record.mass["positive"][0].sum((1, 2)) > 0).tolist() == seen.tolist()


def test_recording_under_gradients_keeps_no_graph_alive(sd_pipe: Any) -> None:
    unet, made = sd_pipe.unet, []
    unet.conv_in.register_forward_hook(lambda *given: made.append(weakref.ref(given[-1])))
    text = torch.randn(1, 77, unet.config.cross_attention_dim)
    with attach(unet, Recorder()):
        unet(torch.ones(1, 4, 8, 8, requires_grad=True), 500, encoder_hidden_states=text)
        gc.collect()
        assert [each() for each in made] == [None]


def test_queries_that_wait_take_no_more_than_a_few_megabytes(sd_pipe: Any) -> None:
    class Held(Control):
        """Notes the bytes of the queries that are there still."""

        alive = most = 0

        def attend(self, call: LayerCall, attention: Attention) -> None:
            queries = attention.query.untyped_storage()
            self.alive += queries.nbytes()
            self.most = max(self.most, self.alive)
            weakref.finalize(queries, self.forget, queries.nbytes())

        def forget(self, size: int) -> None:
            self.alive -= size

    wide = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(512, 512),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        attention_head_dim=1,
        cross_attention_dim=16,
    )
    text, held = torch.randn(1, 77, 16), Held()
    with torch.no_grad(), attach(wide, held, Recorder()):
        for step in range(20):
            wide(torch.ones(1, 4, 8, 8), step, encoder_hidden_states=text)
    assert 2**17 < held.most < 2**20


def test_evaluations_of_one_step_add_up_though_an_edit_acts_at_one_of_them(sd_pipe: Any) -> None:
    sd_pipe.scheduler = HeunDiscreteScheduler.from_config(sd_pipe.scheduler.config)

    class Formed(Control):
        """Edits nothing, at every second evaluation."""

        def acts(self, site: Site, step: Step) -> bool:
            return site.kind == "cross" and step.evaluation % 2 == 1

        def attend(self, call: LayerCall, attention: Attention) -> None:
            for row in call.step.rows.positive:
                attention.edit(row, attention.probabilities(row))

    before, after = Recorder(), Recorder()
    with attach(sd_pipe, before, Formed(), after, prompt=PROMPT):
        latents(sd_pipe)
    whole, edited = (each.trace.view.record for each in (before, after))
    assert whole.site_visits["positive"].max() == 2
    torch.testing.assert_close(edited.mass["positive"], whole.mass["positive"])
    for key, maps in whole.maps.items():
        torch.testing.assert_close(edited.maps[key], maps)
