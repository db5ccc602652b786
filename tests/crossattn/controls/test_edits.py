"""Edits that follow a source: the first prompt of the batch, or a run kept from earlier."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattn import Control, ControlError, NothingTouchedError, WordNotFoundError, attach
from crossattn.controls import (
    LocalBlend,
    MutualSelfAttention,
    NothingTouchedWarning,
    OtherNoiseWarning,
    Refine,
    Replace,
    Reweight,
    ShareSelfAttention,
    SourceRecorder,
    SourceRun,
    Window,
)

SOURCE = "a red car on grass"
TARGET = "a red balloon on grass"
NONE = Window(0, 0)


def run(
    pipe: Any, prompts: Sequence[str], *controls: Control, steps: int = 4, **settings: Any
) -> Tensor:
    """Latents of pictures of these prompts, all from the same noise."""
    settings = {"height": 64, "width": 64, "guidance_scale": 4.0} | settings
    generators = [torch.Generator().manual_seed(3) for _ in prompts]
    named = list(prompts) if controls else None
    with attach(pipe, *controls, prompt=named):
        return pipe(
            list(prompts),
            generator=generators,
            num_inference_steps=steps,
            output_type="latent",
            **settings,
        ).images


def edits(source: SourceRun | None = None) -> list[Control]:
    return [
        Replace(Window(0, 0.8), words={"balloon": Window(0.3, 0.8)}, source=source),
        ShareSelfAttention(Window(0, 0.5), source=source),
        Reweight({"grass": 1.5}),
        LocalBlend(["car", "balloon"], protect=["grass"], source=source),
    ]


@pytest.mark.parametrize(
    "control",
    [
        Replace(NONE, on_nothing="warn"),
        Refine(NONE, on_nothing="warn"),
        ShareSelfAttention(NONE, on_nothing="warn"),
        ShareSelfAttention(pixels=0, on_nothing="warn"),
        MutualSelfAttention(NONE, on_nothing="warn"),
        LocalBlend(window=NONE, on_nothing="warn"),
        Reweight({"balloon": 1.0}, on_nothing="warn"),
        Reweight({"balloon": 1.0}, normalised=True, on_nothing="warn"),
        Reweight({"balloon": 2.0}, window=NONE, on_nothing="warn"),
    ],
    ids=lambda control: type(control).__name__,
)
def test_a_neutral_edit_changes_no_bit_and_says_that_it_changed_nothing(
    sd_pipe: Any, control: Any
) -> None:
    plain = run(sd_pipe, [SOURCE, TARGET])
    with pytest.warns(NothingTouchedWarning, match=f"{type(control).__name__} changed nothing"):
        edited = run(sd_pipe, [SOURCE, TARGET], control)
    assert torch.equal(plain, edited)


def test_an_edit_that_touched_nothing_is_an_error_unless_asked_otherwise(sd_pipe: Any) -> None:
    with pytest.raises(NothingTouchedError, match="widen the window"):
        run(sd_pipe, [SOURCE, TARGET], Replace(NONE))


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_same_prompt_refined_is_the_same_picture(sd_pipe: Any, guidance: float) -> None:
    pictures = run(
        sd_pipe, [SOURCE, SOURCE], Refine(), ShareSelfAttention(), guidance_scale=guidance
    )
    plain = run(sd_pipe, [SOURCE, SOURCE], guidance_scale=guidance)
    torch.testing.assert_close(pictures, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_an_edit_leaves_the_source_alone_and_changes_the_target(sd_pipe: Any, size: Any) -> None:
    settings = {"height": size[0], "width": size[1]}
    plain = run(sd_pipe, [SOURCE, TARGET], **settings)
    edited = run(sd_pipe, [SOURCE, TARGET], *edits(), **settings)
    torch.testing.assert_close(edited[0], plain[0], atol=1e-5, rtol=1e-5)
    assert (edited[1] - plain[1]).abs().max() > 1e-3


def test_outside_the_mask_of_a_blend_the_source_stays(sd_pipe: Any) -> None:
    blend = LocalBlend(["car", "balloon"], threshold=0.9999)
    source, target = run(sd_pipe, [SOURCE, TARGET], Replace(), blend)
    mask = blend.masks[1]
    assert mask.shape == (8, 8) and mask.any() and not mask.all()
    assert torch.equal(source[:, ~mask], target[:, ~mask])
    assert not torch.equal(source[:, mask], target[:, mask])


def test_a_blend_protects_words_and_finds_the_changed_ones_by_itself(sd_pipe: Any) -> None:
    named, unnamed = LocalBlend(["car", "balloon"]), LocalBlend()
    run(sd_pipe, [SOURCE, TARGET], Replace(), named)
    run(sd_pipe, [SOURCE, TARGET], Replace(), unnamed)
    assert torch.equal(named.masks[1], unnamed.masks[1])
    everywhere = LocalBlend(["car", "balloon"], protect=["car"], protect_threshold=0.0)
    source, target = run(sd_pipe, [SOURCE, TARGET], Replace(), everywhere)
    assert not everywhere.masks[1].any()
    torch.testing.assert_close(source, target)


def test_several_targets_of_one_source_are_edited_as_if_alone(sd_pipe: Any) -> None:
    third = "a blue car on grass"
    together = run(sd_pipe, [SOURCE, TARGET, third], Replace(), ShareSelfAttention(), LocalBlend())
    for number, target in ((1, TARGET), (2, third)):
        single = run(sd_pipe, [SOURCE, target], Replace(), ShareSelfAttention(), LocalBlend())
        torch.testing.assert_close(together[number], single[1], atol=1e-4, rtol=1e-4)


def test_several_images_of_each_prompt_are_paired(sd_pipe: Any) -> None:
    blend = LocalBlend()
    settings = {"num_inference_steps": 3, "height": 64, "width": 64, "output_type": "latent"}
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1)
    prompts = [SOURCE, TARGET]
    with attach(sd_pipe, Replace(), blend, prompt=prompts):
        both = sd_pipe(prompts, latents=noise, num_images_per_prompt=2, **settings).images
    with attach(sd_pipe, Replace(), LocalBlend(), prompt=prompts):
        second = sd_pipe(prompts, latents=noise[[1, 1]], **settings).images
    assert sorted(blend.masks) == [2, 3]
    torch.testing.assert_close(both[[1, 3]], second, atol=1e-4, rtol=1e-4)


def test_words_of_a_replacement_may_have_windows_of_their_own(sd_pipe: Any) -> None:
    whole = run(sd_pipe, [SOURCE, TARGET], Replace(Window(0, 1)))
    own = run(sd_pipe, [SOURCE, TARGET], Replace(Window(0, 1), words={"balloon": Window(0, 0.5)}))
    assert not torch.equal(whole[1], own[1])
    same = run(sd_pipe, [SOURCE, TARGET], Replace(Window(0, 1), words={"balloon": Window(0, 1)}))
    assert torch.equal(whole[1], same[1])


def test_a_window_in_noise_levels_holds_the_same_steps_as_its_shares(sd_pipe: Any) -> None:
    sigmas: list[float] = []

    class Spy(Control):
        def before_step(self, step: Any) -> None:
            sigmas.append(step.sigma)

    run(sd_pipe, [SOURCE], Spy())
    shares = run(sd_pipe, [SOURCE, TARGET], Replace(Window(0, 0.5)))
    noise = run(sd_pipe, [SOURCE, TARGET], Replace(Window.sigma(low=sigmas[2])))
    assert torch.equal(shares, noise)


def test_a_target_that_starts_from_other_noise_is_warned_of(sd_pipe: Any) -> None:
    prompts = [SOURCE, TARGET]
    with (
        pytest.warns(OtherNoiseWarning, match=r"latents=noise.repeat"),
        attach(sd_pipe, Replace(), LocalBlend(), prompt=prompts),
    ):
        sd_pipe(prompts, num_inference_steps=2, height=64, width=64, output_type="latent")


def test_the_same_words_cannot_be_replaced(sd_pipe: Any) -> None:
    with pytest.raises(ControlError, match="swaps no word"):
        run(sd_pipe, [SOURCE, "A  red car, on grass"], Replace())


@pytest.mark.parametrize(
    "control",
    [LocalBlend(["boat"]), Replace(words={"boat": NONE}), Reweight({"boat": 2.0})],
    ids=lambda control: type(control).__name__,
)
def test_a_word_that_is_not_there_is_an_error_that_says_so(sd_pipe: Any, control: Any) -> None:
    with pytest.raises(WordNotFoundError, match="boat"):
        run(sd_pipe, [SOURCE, TARGET], control)


def test_an_edit_without_a_second_prompt_says_what_it_needs(sd_pipe: Any) -> None:
    with pytest.raises(ControlError, match=r"prompt=\[source, target\]"):
        run(sd_pipe, [SOURCE], Replace())


@pytest.mark.parametrize(
    "scheduler",
    [
        "DDIMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "HeunDiscreteScheduler",
        "LCMScheduler",
    ],
)
def test_edits_of_a_kept_source_equal_those_of_the_joint_run(sd_pipe: Any, scheduler: str) -> None:
    import diffusers

    kind = getattr(diffusers, scheduler)
    sd_pipe.scheduler = kind.from_config(sd_pipe.scheduler.config)
    recorder = SourceRecorder(share=Window(0, 0.5))
    plain = run(sd_pipe, [SOURCE])
    assert torch.equal(run(sd_pipe, [SOURCE], recorder), plain)
    joint = run(sd_pipe, [SOURCE, TARGET], *edits())
    single = run(sd_pipe, [TARGET], *edits(recorder.run))
    torch.testing.assert_close(single[0], joint[1], atol=1e-4, rtol=1e-4)


def test_edits_of_a_kept_source_run_without_guidance_and_in_sdxl(
    sd_pipe: Any, sdxl_pipe: Any
) -> None:
    for pipe, settings in ((sd_pipe, {"guidance_scale": 1.0}), (sdxl_pipe, {})):
        recorder = SourceRecorder(share=Window(0, 0.5))
        run(pipe, [SOURCE], recorder, **settings)
        joint = run(pipe, [SOURCE, TARGET], *edits(), **settings)
        single = run(pipe, [TARGET], *edits(recorder.run), **settings)
        torch.testing.assert_close(single[0], joint[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_edits_work_in_half_precision(sd_pipe: Any, dtype: torch.dtype) -> None:
    sd_pipe.to(dtype)
    recorder = SourceRecorder(share=Window(0, 0.5))
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
        run(sd_pipe, [TARGET], Replace(source=source))
    with pytest.raises(ControlError, match="same scheduler and steps"):
        run(sd_pipe, [TARGET], Replace(source=source), steps=5)
    with pytest.raises(ControlError, match="same size"):
        run(sd_pipe, [TARGET], Replace(source=source), height=48)
    with pytest.raises(ControlError, match="over the limit"):
        run(sd_pipe, [SOURCE], SourceRecorder(limit=1000))
    with (
        pytest.raises(ControlError, match="the batch has 2"),
        attach(sd_pipe, SourceRecorder(), prompt=SOURCE),
    ):
        sd_pipe(SOURCE, num_inference_steps=2, num_images_per_prompt=2, output_type="latent")
