"""What the host library may have done to a model before it is attached to."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from situations import with_ip_adapter
from tiny_pictures import run

from crossattn import Recorder, UnsupportedModelError, attach

PROMPT = "a red car on grass"


def recorded(pipe: Any) -> tuple[torch.Tensor, Recorder]:
    recorder = Recorder()
    return run(pipe, PROMPT, recorder, steps=2), recorder


def test_a_loaded_lora_is_recorded_with_its_effect(sd_pipe: Any) -> None:
    from peft import LoraConfig

    bare, without = recorded(sd_pipe)
    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules=["to_q", "to_k"], init_lora_weights=False)
    sd_pipe.unet.add_adapter(config)
    plain = run(sd_pipe, PROMPT, steps=2)
    with_lora, recorder = recorded(sd_pipe)
    assert torch.equal(plain, with_lora)
    assert not torch.equal(bare, with_lora)
    assert recorder.trace["car"].mass != without.trace["car"].mass


def test_model_offload_is_recorded(sd_pipe: Any) -> None:
    from accelerate.hooks import CpuOffload, add_hook_to_module, remove_hook_from_module

    plain, bare = recorded(sd_pipe)
    add_hook_to_module(sd_pipe.unet, CpuOffload(execution_device="cpu"))
    try:
        offloaded, recorder = recorded(sd_pipe)
    finally:
        remove_hook_from_module(sd_pipe.unet)
    assert torch.equal(plain, offloaded)
    assert recorder.trace["car"].mass == bare.trace["car"].mass


def test_an_ip_adapter_may_be_turned_up_and_down_while_it_is_recorded(sd_pipe: Any) -> None:
    with_ip_adapter(sd_pipe, None)
    seen = {"ip_adapter_image_embeds": [torch.ones(2, 1, 16)], "steps": 1}
    pictures, plain = [], []
    for scale in (0.0, 0.8):
        sd_pipe.set_ip_adapter_scale(scale)
        plain.append(run(sd_pipe, PROMPT, **seen))
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        for scale in (0.0, 0.8):
            sd_pipe.set_ip_adapter_scale(scale)
            pictures.append(run(sd_pipe, PROMPT, **seen))
    assert torch.equal(pictures[0], plain[0]) and torch.equal(pictures[1], plain[1])
    assert not torch.equal(*pictures)
    assert recorder.trace["car"].mass > 0


def test_an_ip_adapter_loaded_while_attached_is_recorded_from_then_on(sd_pipe: Any) -> None:
    recorder, alone = Recorder(), Recorder()
    seen = {"ip_adapter_image_embeds": [torch.ones(2, 1, 16)], "steps": 1}
    with attach(sd_pipe, recorder, prompt=PROMPT):
        run(sd_pipe, PROMPT, steps=1)
        with_ip_adapter(sd_pipe, None)
        loaded = run(sd_pipe, PROMPT, **seen)
    assert torch.equal(run(sd_pipe, PROMPT, alone, **seen), loaded)
    assert torch.equal(recorder.trace["car"].data, alone.trace["car"].data)


def test_xformers_and_written_out_softmax_are_refused_by_name(sd_pipe: Any) -> None:
    from diffusers.models.attention_processor import AttnProcessor, XFormersAttnProcessor

    for processor in (AttnProcessor(), XFormersAttnProcessor()):
        sd_pipe.unet.set_attn_processor(processor)
        with (
            pytest.raises(UnsupportedModelError, match=type(processor).__name__),
            attach(sd_pipe, Recorder()),
        ):
            raise AssertionError("must not be entered")


def test_every_scheduler_announces_its_steps_in_order(sd_pipe: Any) -> None:
    from diffusers import EulerDiscreteScheduler, HeunDiscreteScheduler

    for scheduler in (EulerDiscreteScheduler, HeunDiscreteScheduler):
        sd_pipe.scheduler = scheduler.from_config(sd_pipe.scheduler.config)
        recorder = Recorder(bins=4)
        with attach(sd_pipe, recorder, prompt=PROMPT):
            sd_pipe(PROMPT, num_inference_steps=4, height=64, width=64, output_type="latent")
        record = recorder.trace.view.record
        assert len(recorder.trace.profile("car")) == 4
        assert torch.all(record.timesteps.diff() < 0)
        assert torch.all(record.sigmas.diff() < 0)


def test_a_model_of_another_family_is_refused() -> None:
    with (
        pytest.raises(UnsupportedModelError, match="Linear is not a model that can be attached to"),
        attach(torch.nn.Linear(1, 1), Recorder()),
    ):
        raise AssertionError("must not be entered")


def test_something_that_is_no_model_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="got str"), attach("sd", Recorder()):
        raise AssertionError("must not be entered")


def test_a_processor_that_cannot_be_served_is_named(sd_pipe: Any) -> None:
    sd_pipe.unet.set_attention_slice(1)
    try:
        with (
            pytest.raises(UnsupportedModelError, match="SlicedAttnProcessor"),
            attach(sd_pipe, Recorder()),
        ):
            raise AssertionError("must not be entered")
    finally:
        sd_pipe.unet.set_default_attn_processor()


def test_a_processor_replaced_during_the_run_is_reported_at_its_call(sd_pipe: Any) -> None:
    def slice_it(pipe: Any, step: int, *_: Any) -> dict[str, Any]:
        steps.append(step)
        pipe.unet.set_attention_slice(1)
        return {}

    steps: list[int] = []
    with pytest.raises(
        UnsupportedModelError,
        match=r"runs SlicedAttnProcessor in the middle of the run.*disable_attention_slicing",
    ):
        run(sd_pipe, PROMPT, Recorder(), callback_on_step_end=slice_it)
    assert steps == [0]


def test_attention_that_another_library_computes_is_reported_not_missed(sd_pipe: Any) -> None:
    class AttnProcessor2_0:  # noqa: N801 - the host's name, as what patches it keeps it
        def __call__(self, attn: Any, hidden_states: torch.Tensor, *_: Any, **__: Any) -> Any:
            return hidden_states

    plain = sd_pipe.unet.attn_processors
    sd_pipe.unet.set_attn_processor(AttnProcessor2_0())
    with pytest.raises(UnsupportedModelError, match=r"did not call .*scaled_dot_product_attention"):
        run(sd_pipe, PROMPT, Recorder(), steps=1)
    sd_pipe.unet.set_attn_processor(plain)
    assert recorded(sd_pipe)[1].trace["car"].mass > 0


def in_place(pipe: Any) -> None:
    pipe.unet.compile(backend="eager", fullgraph=True)


def wrapped(pipe: Any) -> None:
    pipe.unet = torch.compile(pipe.unet, backend="eager")


def its_forward(pipe: Any) -> None:
    pipe.unet.forward = torch.compile(pipe.unet.forward, backend="eager")


def a_block(pipe: Any) -> None:
    pipe.unet.mid_block.compile(backend="eager")


@pytest.mark.parametrize("compiled", [in_place, wrapped, its_forward, a_block])
def test_a_compiled_model_runs_eagerly_while_it_is_recorded(sd_pipe: Any, compiled: Any) -> None:
    from torch._dynamo.eval_frame import _stance

    plain, bare = recorded(sd_pipe)
    compiled(sd_pipe)
    with attach(sd_pipe, Recorder(), prompt=PROMPT):
        same, recorder = recorded(sd_pipe)
    assert torch.equal(plain, same)
    assert recorder.trace["car"].mass == bare.trace["car"].mass
    assert _stance.stance == "default"


def test_a_peft_model_and_a_data_parallel_one_are_looked_through(sd_pipe: Any) -> None:
    from peft import LoraConfig, get_peft_model

    unet = sd_pipe.unet
    text = torch.randn(1, 77, unet.config.cross_attention_dim)
    maps = []
    for model in (
        unet,
        torch.nn.DataParallel(unet),
        get_peft_model(unet, LoraConfig(r=2, target_modules=["to_q"])),
    ):
        recorder = Recorder()
        with attach(model, recorder), torch.no_grad():
            model(torch.ones(1, 4, 8, 8), 500, encoder_hidden_states=text)
        maps.append(recorder.trace.by("mean").token(3).data)
    assert torch.equal(maps[0], maps[1])
    assert torch.equal(maps[0], maps[2])


def test_attention_that_another_library_put_in_its_place_is_run_as_hosts_call_it(
    sd_pipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, seen = F.scaled_dot_product_attention, []

    def attention(q: Any, k: Any, v: Any, layout: str = "HND", **how: Any) -> torch.Tensor:
        seen.append(layout)
        return plain(q, k, v, **how)

    monkeypatch.setattr(F, "scaled_dot_product_attention", attention)
    alone = run(sd_pipe, PROMPT, steps=2)
    calls = len(seen)
    drawn, recorder = recorded(sd_pipe)
    assert torch.equal(alone, drawn) and recorder.trace["car"].mass > 0
    assert seen == ["HND"] * 2 * calls
