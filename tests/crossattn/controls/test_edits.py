"""Edits that follow a source: the first prompt of the batch."""

from typing import Any

import pytest
import torch
from tiny_pictures import SOURCE, TARGET, run, switch

from crossattn import (
    Attention,
    Control,
    ControlError,
    LayerCall,
    NothingTouchedError,
    WordNotFoundError,
    attach,
)
from crossattn.controls import (
    AttendAndExcite,
    LocalBlend,
    OtherNoiseWarning,
    Refine,
    Replace,
    Reweight,
    ShareSelfAttention,
    TopK,
    Window,
)
from crossattn.controls.mechanism import Mechanism

NONE = Window(0, 0)


def edits() -> list[Control]:
    return [
        Replace(Window(0, 0.8), words={"balloon": Window(0.3, 0.8)}),
        ShareSelfAttention(Window(0, 0.5)),
        Reweight({"grass": 1.5}),
        LocalBlend(["car", "balloon"], protect=["grass"]),
    ]


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


def test_a_single_word_may_be_named_without_a_list(sd_pipe: Any) -> None:
    named, listed = LocalBlend("car", protect="grass"), LocalBlend(["car"], protect=["grass"])
    pictures = [run(sd_pipe, [SOURCE, TARGET], blend) for blend in (named, listed)]
    assert torch.equal(*pictures)
    assert AttendAndExcite("blue balloon").words == ("blue balloon",)


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
        attach(sd_pipe, Replace(Window()), LocalBlend(), prompt=prompts),
    ):
        sd_pipe(prompts, num_inference_steps=2, height=64, width=64, output_type="latent")


@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", "LCMScheduler"])
@pytest.mark.parametrize("seeded", [True, False])
def test_a_target_that_is_given_other_noise_on_the_way_is_warned_of(
    sd_pipe: Any, scheduler: str, seeded: bool
) -> None:
    switch(sd_pipe, scheduler)
    settings: dict[str, Any] = {"height": 64, "width": 64, "output_type": "latent"}
    settings["latents"] = torch.ones(2, 4, 8, 8)
    if seeded:
        settings["generator"] = torch.Generator().manual_seed(0)
    with (
        pytest.warns(OtherNoiseWarning, match=f"{scheduler}, so .* a list of generators"),
        attach(sd_pipe, Refine(Window()), prompt=[SOURCE, SOURCE]),
    ):
        sd_pipe([SOURCE, SOURCE], num_inference_steps=3, **settings)
    # With a generator each there is nothing to warn of, and the same prompt is the same picture.
    pictures = run(sd_pipe, [SOURCE, SOURCE], Refine(Window()))
    torch.testing.assert_close(pictures[0], pictures[1], atol=1e-4, rtol=1e-4)


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


@pytest.mark.parametrize("before", [TopK(2), Mechanism("linear")], ids=["TopK", "Mechanism"])
def test_a_replacement_takes_what_the_controls_before_it_left_the_source(
    sd_pipe: Any, before: Control
) -> None:
    class Maps(Control):
        def attend(self, call: LayerCall, attention: Attention) -> None:
            rows = call.step.rows.positive
            self.probs = [attention.probabilities(row) for row in rows]

    maps = Maps()
    run(sd_pipe, [SOURCE, "a red dog on grass"], before, Replace(Window()), maps)
    torch.testing.assert_close(*maps.probs)
