"""A source run once and kept: its edits are those of the joint run, and it says what it lacks."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tiny_pictures import SCHEDULERS, SOURCE, TARGET, run, switch
from torch import Tensor

from crossattn import Control, ControlError, attach
from crossattn.controls import (
    LocalBlend,
    MutualSelfAttention,
    Replace,
    Reweight,
    ShareSelfAttention,
    SourceRecorder,
    SourceRun,
    TopK,
    Window,
)

pytestmark = pytest.mark.slow


def edits(source: SourceRun | None = None) -> list[Control]:
    return [
        Replace(Window(0, 0.8), words={"balloon": Window(0.3, 0.8)}, source=source),
        ShareSelfAttention(Window(0, 0.5), source=source),
        Reweight({"grass": 1.5}),
        LocalBlend(["car", "balloon"], protect=["grass"], source=source),
    ]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_edits_of_a_kept_source_equal_those_of_the_joint_run(sd_pipe: Any, scheduler: str) -> None:
    switch(sd_pipe, scheduler)
    recorder = SourceRecorder(cross=Window(0, 0.8), self_attention=Window(0, 0.5))
    plain = run(sd_pipe, [SOURCE])
    assert torch.equal(run(sd_pipe, [SOURCE], recorder), plain)
    joint = run(sd_pipe, [SOURCE, TARGET], *edits())
    single = run(sd_pipe, [TARGET], *edits(recorder.run))
    torch.testing.assert_close(single[0], joint[1], atol=1e-4, rtol=1e-4)


def test_edits_of_a_kept_source_run_without_guidance_and_in_sdxl(
    sd_pipe: Any, sdxl_pipe: Any
) -> None:
    for pipe, settings in ((sd_pipe, {"guidance_scale": 1.0}), (sdxl_pipe, {})):
        recorder = SourceRecorder(cross=Window(0, 0.8), self_attention=Window(0, 0.5))
        run(pipe, [SOURCE], recorder, **settings)
        joint = run(pipe, [SOURCE, TARGET], *edits(), **settings)
        single = run(pipe, [TARGET], *edits(recorder.run), **settings)
        torch.testing.assert_close(single[0], joint[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_edits_work_in_half_precision(sd_pipe: Any, dtype: torch.dtype) -> None:
    sd_pipe.to(dtype)
    recorder = SourceRecorder(cross=Window(0, 0.8), self_attention=Window(0, 0.5))
    run(sd_pipe, [SOURCE], recorder)
    joint = run(sd_pipe, [SOURCE, TARGET], *edits())
    single = run(sd_pipe, [TARGET], *edits(recorder.run))
    sd_pipe.to(torch.float32)
    assert joint.dtype == dtype and joint.isfinite().all()
    torch.testing.assert_close(single[0].float(), joint[1].float(), atol=0.2, rtol=0.1)


def test_a_source_is_the_same_from_a_file_and_its_size_is_known_before(
    sd_pipe: Any, tmp_path: Path
) -> None:
    file = tmp_path / "source.safetensors"
    memory, disk = SourceRecorder(), SourceRecorder(file=file)
    run(sd_pipe, [SOURCE], memory)
    run(sd_pipe, [SOURCE], disk)
    loaded = SourceRun.load(file)
    assert loaded.kept == memory.run.kept
    for name, tensor in memory.run.tensors.items():
        assert torch.equal(loaded.tensors[name], tensor)
    foreseen = memory.nbytes(sd_pipe, SOURCE, steps=4, height=64, width=64)
    assert foreseen == memory.run.nbytes == loaded.nbytes


def test_a_source_whose_run_fails_leaves_no_file(sd_pipe: Any, tmp_path: Path) -> None:
    recorder = SourceRecorder(file=tmp_path / "source.safetensors")
    with pytest.raises(ZeroDivisionError), attach(sd_pipe, recorder, prompt=SOURCE):
        sd_pipe(SOURCE, num_inference_steps=1, height=64, width=64, output_type="latent")
        raise ZeroDivisionError
    del recorder
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_does_not_fit_the_edit_says_why(sd_pipe: Any, tmp_path: Path) -> None:
    recorder = SourceRecorder(cross=Window(0, 0.5))
    run(sd_pipe, [SOURCE], recorder)
    source = recorder.run
    with pytest.raises(ControlError, match=r"did not keep its cross-attention at step 2"):
        run(sd_pipe, [TARGET], Replace(Window(), source=source))
    with pytest.raises(ControlError, match="same scheduler and steps"):
        run(sd_pipe, [TARGET], Replace(source=source), steps=5)
    with pytest.raises(ControlError, match="same size"):
        run(sd_pipe, [TARGET], Replace(source=source), height=48)
    with pytest.raises(ControlError, match="over the limit"):
        run(sd_pipe, [SOURCE], SourceRecorder(limit=1000))
    with (
        pytest.raises(ControlError, match="the run has 2"),
        attach(sd_pipe, SourceRecorder(), prompt=SOURCE),
    ):
        sd_pipe(SOURCE, num_inference_steps=2, num_images_per_prompt=2, output_type="latent")


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_keys_and_values_of_a_kept_source_are_those_of_the_joint_run(
    sd_pipe: Any, guidance: float
) -> None:
    settings = {"guidance_scale": guidance}
    recorder = SourceRecorder(keys_values=Window(0.25, 1))
    run(sd_pipe, [SOURCE], recorder, **settings)
    window = Window(0.25, 1)
    joint = run(sd_pipe, [SOURCE, TARGET], MutualSelfAttention(window), **settings)
    kept = MutualSelfAttention(window, source=recorder.run)
    single = run(sd_pipe, [TARGET], kept, **settings)
    torch.testing.assert_close(single[0], joint[1], atol=1e-4, rtol=1e-4)
    assert not torch.equal(single, run(sd_pipe, [TARGET], **settings))
    foreseen = recorder.nbytes(sd_pipe, SOURCE, steps=4, height=64, width=64, guided=guidance > 1)
    assert foreseen == recorder.run.nbytes


def test_keys_and_values_that_were_not_kept_are_an_error_that_says_how_to_keep_them(
    sd_pipe: Any,
) -> None:
    def kept(**settings: Any) -> SourceRun:
        recorder = SourceRecorder(**settings)
        run(sd_pipe, [SOURCE], recorder, guidance_scale=1.0)
        return recorder.run

    with pytest.raises(ControlError, match=r"did not keep its keys and values \(keys_values\)"):
        run(sd_pipe, [TARGET], MutualSelfAttention(source=kept()))
    whole = kept(keys_values=Window())
    with pytest.raises(ControlError, match="without guidance"):
        run(sd_pipe, [TARGET], MutualSelfAttention(source=whole))
    every = MutualSelfAttention(sites=lambda site: True, source=whole)
    with pytest.raises(ControlError, match=r"leave out sites="):
        run(sd_pipe, [TARGET], every, guidance_scale=1.0)


def test_a_source_recorder_behind_an_edit_says_that_it_goes_first(sd_pipe: Any) -> None:
    for edit in (TopK(3), Reweight({"car": 2.0}), Reweight({"car": 2.0}, normalised=True)):
        with pytest.raises(ControlError, match="put it first"):
            run(sd_pipe, [SOURCE], edit, SourceRecorder())


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "HeunDiscreteScheduler"])
def test_a_run_that_begins_from_a_picture_is_kept_and_edited(sd_pipe: Any, scheduler: str) -> None:
    switch(sd_pipe, scheduler)
    varied = diffusers.StableDiffusionImg2ImgPipeline(
        **sd_pipe.components, requires_safety_checker=False
    )
    varied.set_progress_bar_config(disable=True)
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))

    def vary(prompts: list[str], *controls: Control, strength: float = 0.6) -> Tensor:
        with attach(varied, *controls, prompt=prompts):
            return varied(
                prompts,
                image=[picture] * len(prompts),
                strength=strength,
                num_inference_steps=5,
                generator=[torch.Generator().manual_seed(1) for _ in prompts],
                output_type="latent",
            ).images

    recorder = SourceRecorder(cross=Window())
    vary([SOURCE], recorder)
    joint = vary([SOURCE, TARGET], Replace(Window()), LocalBlend())
    source = recorder.run
    single = vary([TARGET], Replace(Window(), source=source), LocalBlend(source=source))
    torch.testing.assert_close(single[0], joint[1], atol=1e-4, rtol=1e-4)
    with pytest.raises(ControlError, match="give both the same strength"):
        vary([TARGET], Replace(Window(), source=source), strength=1.0)
