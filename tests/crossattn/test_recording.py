"""Recording: the picture stays, the maps are right, the model is left as it was."""

import math
from typing import Any

import pytest
import torch

from crossattn import (
    Attention,
    Control,
    ControlError,
    LayerCall,
    PromptCutWarning,
    Recorder,
    TraceError,
    attach,
)
from crossattn.controls import Reweight
from crossattn.heatmap import resize

PROMPT = "a red car left of a blue balloon on grass"


def latents(pipe: Any, seed: int = 0, **settings: Any) -> torch.Tensor:
    settings = {
        "num_inference_steps": 3,
        "height": 64,
        "width": 64,
        "output_type": "latent",
    } | settings
    generator = torch.Generator().manual_seed(seed)
    return pipe(PROMPT, generator=generator, **settings).images


def explicit(pipe: Any, **settings: Any) -> dict[str, list[torch.Tensor]]:
    """Every conditional probability map (heads, pixels, tokens), written out from the modules."""
    seen: dict[str, list[torch.Tensor]] = {}

    class Spy(Control):
        def attend(self, call: LayerCall, attention: Attention) -> None:
            row = call.step.rows.positive[0]
            query, key = attention.query[row], attention.key[row]
            logits = torch.einsum("hpd,htd->hpt", query, key) / query.shape[-1] ** 0.5
            seen.setdefault(call.site.name, []).append(logits.softmax(-1))

    with attach(pipe, Spy(), prompt=PROMPT):
        latents(pipe, **settings)
    return seen


@pytest.mark.parametrize("guidance", [1.0, 7.5])
@pytest.mark.parametrize("size", [(64, 64), (48, 80), (192, 256)])
def test_recording_never_changes_the_picture(sd_pipe: Any, guidance: float, size: tuple) -> None:
    settings = {"guidance_scale": guidance, "height": size[0], "width": size[1]}
    plain = latents(sd_pipe, **settings)
    recorder = Recorder(bins=3, heads=True)
    with attach(sd_pipe, recorder, prompt=PROMPT):
        recorded = latents(sd_pipe, **settings)
    assert torch.equal(plain, recorded)
    assert recorder.trace["car"].data.shape == (size[0] // 8, size[1] // 8)


def test_a_words_map_is_the_mean_of_the_probabilities_over_steps_heads_and_sites(
    sd_pipe: Any,
) -> None:
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe)
    seen = explicit(sd_pipe)
    token = recorder.trace.prompt.word("car").tokens[0][0]
    # For each site, as it is visited, a mean over steps and heads.
    maps = [
        torch.stack(steps).mean((0, 1))[:, token].unflatten(0, (math.isqrt(steps[0].shape[1]), -1))
        for steps in seen.values()
    ]
    assert [len(each) for each in maps] == [4, 4, 4, 4, 8, 8]  # down.1, mid, up.0, up.1
    whole = torch.stack([resize(each, 8, 8) for each in maps]).mean(0)
    torch.testing.assert_close(recorder.trace.by("mean")["car"].data, whole)
    # The grid nearest to 16 × 16 finds objects best.
    finest = torch.stack([each for each in maps if len(each) == 8]).square().mean(0).sqrt()
    torch.testing.assert_close(recorder.trace["car"].data, finest)


def test_large_grids_have_the_probabilities_of_the_hosts_own_attention(sd_pipe: Any) -> None:
    size = {"height": 192, "width": 256, "num_inference_steps": 1}
    recorder = Recorder(heads=True)
    with attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe, **size)
    record, seen = recorder.trace.view.record, explicit(sd_pipe, **size)
    assert max(step.shape[1] for (step,) in seen.values()) == 24 * 32
    for site, (probs,) in seen.items():
        kept = record.maps["positive", site][0, 0]
        torch.testing.assert_close(kept, probs[..., : kept.shape[-1]])


def test_an_edit_behind_a_recorder_is_the_edit_without_it(sd_pipe: Any) -> None:
    size = {"height": 192, "width": 256}
    with attach(sd_pipe, Reweight({"car": 3.0}), prompt=PROMPT):
        alone = latents(sd_pipe, **size)
    with attach(sd_pipe, Recorder(), Reweight({"car": 3.0}), prompt=PROMPT):
        watched = latents(sd_pipe, **size)
    assert torch.equal(alone, watched)
    assert not torch.equal(alone, latents(sd_pipe, **size))


def test_images_of_a_batch_are_kept_apart(sd_pipe: Any) -> None:
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe, num_images_per_prompt=2)
    with pytest.raises(TraceError, match=r"2 images: choose one"):
        recorder.trace["car"]
    both = [recorder.trace.image(i)["car"].data for i in (0, 1)]
    assert not torch.equal(*both)


def test_each_prompt_of_a_batch_has_its_own_words(sd_pipe: Any) -> None:
    prompts = ["a red car", "a blue dog on the grass"]
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=prompts):
        sd_pipe(prompts, num_inference_steps=2, height=64, width=64, output_type="latent")
    first, second = (recorder.trace.image(index).by("mean") for index in (0, 1))
    assert [word.text for word, _ in first.mass] == ["a", "red", "car"]
    assert second["dog"].mass > 0
    total = first.start.data + first.end.data + first.padding.data
    torch.testing.assert_close(total + sum(h.data for h in first.words), torch.ones_like(total))


def test_negative_prompts_have_maps_of_their_own(sd_pipe: Any) -> None:
    recorder = Recorder(negative=True)
    with attach(sd_pipe, recorder, prompt=PROMPT, negative_prompt="the dog"):
        latents(sd_pipe, negative_prompt="the dog")
    assert [word.text for word, _ in recorder.trace.negative.mass] == ["the", "dog"]
    assert recorder.trace["car"].mass != recorder.trace.negative["dog"].mass


def test_leaving_restores_the_identical_processors_even_after_an_error(sd_pipe: Any) -> None:
    before = {name: id(p) for name, p in sd_pipe.unet.attn_processors.items()}
    with pytest.raises(ZeroDivisionError), attach(sd_pipe, Recorder()):
        raise ZeroDivisionError
    with attach(sd_pipe, Recorder(), prompt=PROMPT), attach(sd_pipe, Recorder(), prompt=PROMPT):
        latents(sd_pipe)
    assert {name: id(p) for name, p in sd_pipe.unet.attn_processors.items()} == before


def test_nested_recorders_see_the_same(sd_pipe: Any) -> None:
    outer, inner = Recorder(), Recorder()
    with attach(sd_pipe, outer, prompt=PROMPT), attach(sd_pipe, inner, prompt=PROMPT):
        latents(sd_pipe)
    assert torch.equal(outer.trace["car"].data, inner.trace["car"].data)


@pytest.mark.parametrize("steps", [1, 3])
def test_of_several_runs_the_last_one_is_recorded(sd_pipe: Any, steps: int) -> None:
    recorder, alone = Recorder(), Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe, seed=1, num_inference_steps=steps, height=48)
        latents(sd_pipe, seed=2, num_inference_steps=steps)
    with attach(sd_pipe, alone, prompt=PROMPT):
        latents(sd_pipe, seed=2, num_inference_steps=steps)
    assert torch.equal(recorder.trace["car"].data, alone.trace["car"].data)


def test_a_negative_prompt_that_the_model_is_not_given_is_not_recorded_as_empty(
    sd_pipe: Any,
) -> None:
    with (
        pytest.raises(ControlError, match="without guidance"),
        attach(sd_pipe, Recorder(negative=True), prompt=PROMPT, negative_prompt="a dog"),
    ):
        latents(sd_pipe, guidance_scale=1.0)


def test_both_text_encoders_of_sdxl_are_served(sdxl_pipe: Any) -> None:
    plain = latents(sdxl_pipe)
    recorder = Recorder()
    with attach(sdxl_pipe, recorder, prompt=PROMPT):
        recorded = latents(sdxl_pipe)
    assert torch.equal(plain, recorded)
    assert len(recorder.trace.prompt.encodings) == 2
    assert recorder.trace["balloon"].mass > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_recorded_without_changing_the_picture(
    sd_pipe: Any, dtype: torch.dtype
) -> None:
    sd_pipe.to(dtype)
    try:
        plain = latents(sd_pipe)
        recorder = Recorder()
        with attach(sd_pipe, recorder, prompt=PROMPT):
            recorded = latents(sd_pipe)
    finally:
        sd_pipe.to(torch.float32)
    assert torch.equal(plain, recorded)
    assert recorder.trace["car"].data.dtype == torch.float32


def test_prompt_embeds_given_by_the_caller_are_served(sd_pipe: Any) -> None:
    embeds, negative = sd_pipe.encode_prompt(PROMPT, "cpu", 1, True)
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        sd_pipe(
            prompt_embeds=embeds,
            negative_prompt_embeds=negative,
            num_inference_steps=2,
            height=64,
            width=64,
            output_type="latent",
        )
    assert recorder.trace["car"].mass > 0


def test_longer_embeddings_keep_the_places_of_a_prompt_that_fits(sd_pipe: Any) -> None:
    embeds, negative = (torch.cat([e, e], 1) for e in sd_pipe.encode_prompt(PROMPT, "cpu", 1, True))
    settings = {"num_inference_steps": 2, "height": 64, "width": 64, "output_type": "latent"}
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=PROMPT):
        sd_pipe(prompt_embeds=embeds, negative_prompt_embeds=negative, **settings)
    trace = recorder.trace.by("mean")
    assert torch.equal(trace["car"].data, trace.token(3).data)
    # A prompt of 81 words in stretches of 75, each between a start and an end token.
    with (
        pytest.warns(PromptCutWarning),
        attach(sd_pipe, recorder, prompt="a red " * 40 + "car", guided=True),
    ):
        sd_pipe(prompt_embeds=embeds, negative_prompt_embeds=negative, **settings)
    trace = recorder.trace.by("mean")
    assert torch.equal(trace["car"].data, trace.token(77 + 1 + 5).data)
    with (
        pytest.warns(PromptCutWarning),
        pytest.raises(ControlError, match="100 text tokens where its tokenizer makes 77"),
        attach(sd_pipe, recorder, prompt="a dog " * 40, guided=True),
    ):
        short = {"prompt_embeds": embeds[:, :100], "negative_prompt_embeds": negative[:, :100]}
        sd_pipe(**short, **settings)


def test_a_bare_model_is_recorded_by_token(sd_pipe: Any) -> None:
    recorder = Recorder()
    text = torch.randn(1, 77, sd_pipe.unet.config.cross_attention_dim)
    with attach(sd_pipe.unet, recorder), torch.no_grad():
        sd_pipe.unet(torch.randn(1, 4, 8, 8), 500, encoder_hidden_states=text)
    total = sum(recorder.trace.by("mean").token(i).data for i in range(77))
    torch.testing.assert_close(total, torch.ones(8, 8))


def test_words_of_a_bare_model_are_refused_for_want_of_a_tokenizer(sd_pipe: Any) -> None:
    with (
        pytest.raises(ControlError, match="a bare model has none"),
        attach(sd_pipe.unet, Recorder(), prompt="a red car"),
    ):
        raise AssertionError("must not be entered")


def test_a_trace_taken_in_mid_run_stays_as_it_was(sd_pipe: Any) -> None:
    recorder, taken = Recorder(), []

    def take(pipe: Any, step: int, timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        taken.append((recorder.trace, recorder.trace["car"].data.clone()))
        return given

    with attach(sd_pipe, recorder, prompt=PROMPT):
        latents(sd_pipe, callback_on_step_end=take)
    for trace, data in taken:
        assert torch.equal(trace["car"].data, data)
    first, *_, last = (data for _, data in taken)
    assert not torch.equal(first, last)
    assert torch.equal(recorder.trace["car"].data, last)


def test_sums_stay_on_the_models_device_until_the_run_is_left(sd_pipe: Any) -> None:
    # Nothing can be fetched from this device, so any transfer during the run would fail.
    unet, recorder = sd_pipe.unet.to("meta"), Recorder(bins=2, heads=True)
    text = torch.empty(1, 77, unet.config.cross_attention_dim, device="meta")
    with (
        pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"),
        attach(unet, recorder),
        torch.no_grad(),
    ):
        for _ in range(2):
            unet(torch.empty(1, 4, 8, 8, device="meta"), 500, encoder_hidden_states=text)
        reached = True
    assert reached


def test_the_chosen_layers_alone_are_recorded(sd_pipe: Any) -> None:
    recorder, whole = Recorder(layers=["mid", "up.0"]), Recorder()
    with attach(sd_pipe, recorder, whole, prompt=PROMPT):
        latents(sd_pipe)
    assert {site.block for site in recorder.trace.view.sites} == {"mid", "up.0"}
    part = whole.trace.at(layers=["mid", "up.0"])
    assert torch.equal(recorder.trace["car"].data, part["car"].data)
    with (
        pytest.raises(ControlError, match=r"leaves none.*there are down\.1, up\.0, up\.1, mid"),
        attach(sd_pipe, Recorder(layers="up.7")),
    ):
        raise AssertionError("must not be entered")
