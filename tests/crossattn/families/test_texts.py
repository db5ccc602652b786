"""What stands in the text of a transformer beside words, and whose text it is."""

import copy
from typing import Any

import pytest
import torch
from tiny_models import PROMPT, TINY, draw

from crossattn import PromptCutWarning, Recorder, TraceError, UnsupportedModelError, attach, sites
from crossattn.controls import Reweight


def quiet(name: str) -> Any:
    pipe = TINY[name].make()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def settings(name: str, guided: bool = True) -> dict[str, Any]:
    tiny = TINY[name]
    asked = tiny.guided if guided else tiny.alone
    size = {"height": tiny.size[0], "width": tiny.size[1], "output_type": "latent"}
    return {**size, **asked, **tiny.settings, "num_inference_steps": 2}


def made(name: str, pipe: Any, **other: Any) -> torch.Tensor:
    return pipe(generator=torch.Generator().manual_seed(0), **(settings(name) | other)).images


def test_a_layer_of_joint_attention_is_a_site_of_both_kinds() -> None:
    kinds = [(site.block, site.kind) for site in sites(quiet("sd3"))]
    # Its first block has a second attention, of the image alone.
    assert kinds[:3] == [("blocks.0", "cross"), ("blocks.0", "self"), ("blocks.0", "self")]
    assert [site.block for site in sites(quiet("flux"))][::2] == [
        "double.0",
        "single.0",
        "single.1",
    ]


def test_skip_layer_guidance_is_no_side_of_the_prompts() -> None:
    pipe = quiet("sd3")
    skipped = {"skip_guidance_layers": [1], "skip_layer_guidance_stop": 1.0}
    plain = made("sd3", pipe, prompt=PROMPT, **skipped)
    recorder, alone = Recorder(), Recorder()
    with attach(pipe, recorder, prompt=PROMPT):
        assert torch.equal(plain, made("sd3", pipe, prompt=PROMPT, **skipped))
    with attach(pipe, alone, prompt=PROMPT):
        made("sd3", pipe, prompt=PROMPT)
    assert not torch.equal(plain, made("sd3", pipe, prompt=PROMPT))
    assert recorder.trace.view.record.visits.tolist() == [1, 1]
    first = [r.trace.profile("car")[0] for r in (recorder, alone)]
    assert first[0] == first[1]


def test_zeros_in_the_place_of_an_encoder_are_padding() -> None:
    pipe = quiet("sd3")
    pipe.register_modules(text_encoder_3=None, tokenizer_3=None)
    recorder = Recorder()
    with attach(pipe, recorder, prompt=PROMPT):
        made("sd3", pipe, prompt=PROMPT, max_sequence_length=16)
    trace = recorder.trace
    assert [each.name for each in trace.prompt.encodings] == ["clip", "clip-2"]
    words = sum(mass for _, mass in trace.mass)
    rest = trace.by("mean").start.mass + trace.by("mean").end.mass
    assert words + rest + trace.padding.mass + trace.pixels.mass == pytest.approx(1, abs=1e-5)
    assert trace.padding.mass > 0.1
    assert trace.within == trace["car"].within == pytest.approx(1 - trace.pixels.mass)


def test_the_length_that_the_pipeline_is_asked_for_is_the_one_that_cuts() -> None:
    pipe = quiet("flux")
    recorder = Recorder()
    with (
        pytest.warns(PromptCutWarning, match="reads 6 tokens"),
        attach(pipe, recorder, prompt=PROMPT),
    ):
        made("flux", pipe, prompt=PROMPT, max_sequence_length=6)
    assert [word.text for word, _ in recorder.trace.mass] == ["a", "red", "car", "left", "of"]
    with attach(pipe, recorder, prompt="a red car " * 6):
        made("flux", pipe, prompt="a red car " * 6, max_sequence_length=60)
    assert len(recorder.trace.mass) == 18


def test_words_around_the_prompt_have_a_map_of_their_own() -> None:
    pipe = quiet("z-image")
    recorder = Recorder()
    with attach(pipe, recorder, prompt=PROMPT):
        made("z-image", pipe, prompt=PROMPT)
    assert [word.text for word, _ in recorder.trace.mass] == PROMPT.split()
    assert recorder.trace.template.mass > 0
    recorder = Recorder()
    with attach(quiet("pixart"), recorder, prompt=PROMPT) as session:
        made("pixart", session.pipe, prompt=PROMPT)
    with pytest.raises(TraceError, match="no words around the prompt"):
        _ = recorder.trace.template
    with pytest.raises(TraceError, match="attend to the text alone"):
        _ = recorder.trace.pixels


@pytest.mark.parametrize("name", ["sd3", "flux", "z-image", "qwen-image"])
def test_the_sides_of_embeddings_made_beforehand_are_the_pipelines(name: str) -> None:
    pipe = quiet(name)
    negative = settings(name).pop("negative_prompt", "blue")
    read = {
        key: value
        for key, value in {"device": "cpu", **settings(name)}.items()
        if key in ("device", "max_sequence_length")
    }
    if name == "sd3":
        parts = pipe.encode_prompt(PROMPT, None, None, negative_prompt=negative, **read)
        names = ("prompt_embeds", "negative_prompt_embeds")
        names += ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        given = dict(zip(names, parts, strict=True))
    elif name == "z-image":
        embeds, negatives = pipe.encode_prompt(PROMPT, negative_prompt=negative)
        given = {"prompt_embeds": embeds, "negative_prompt_embeds": negatives}
    else:
        second = {"prompt_2": None} if name == "flux" else {}
        (embeds, pooled, *_), (negatives, other, *_) = (
            pipe.encode_prompt(text, **second, **read) for text in (PROMPT, negative)
        )
        extra = ("pooled_prompt_embeds" if name == "flux" else "prompt_embeds_mask",)
        given = {
            "prompt_embeds": embeds,
            extra[0]: pooled,
            "negative_prompt_embeds": negatives,
            f"negative_{extra[0]}": other,
        }
    asked = {key: None for key in ("negative_prompt",) if key in settings(name)}
    told = made(name, pipe, prompt=PROMPT, **({} if asked else {"negative_prompt": negative}))
    beforehand = made(name, pipe, **given, **asked)
    torch.testing.assert_close(told, beforehand)
    weights = Reweight({"car": 3.0})
    with attach(pipe, weights, prompt=PROMPT):
        heard = made(name, pipe, prompt=PROMPT, **({} if asked else {"negative_prompt": negative}))
    with attach(pipe, weights, prompt=PROMPT):
        unheard = made(name, pipe, **given, **asked)
    assert not torch.equal(heard, told)
    torch.testing.assert_close(heard, unheard)


@pytest.mark.slow
def test_a_copy_made_while_attached_is_a_plain_one() -> None:
    pipe = quiet("flux")
    with attach(pipe, Reweight({"car": 3.0}), prompt=PROMPT):
        copied = copy.deepcopy(pipe)
        weighed = draw("flux", pipe, guided=True)
    assert torch.equal(draw("flux", copied, guided=True), draw("flux", pipe, guided=True))
    assert not torch.equal(weighed, draw("flux", pipe, guided=True))
    assert "cache_context" not in vars(pipe.transformer)


def test_prompts_of_other_lengths_are_refused_where_the_sequence_is_ragged() -> None:
    prompts = ["a red car", "a blue dog on the grass"]
    pipe = quiet("lumina2")
    with (
        pytest.raises(UnsupportedModelError, match="draw them one at a time"),
        attach(pipe, Recorder(), prompt=prompts),
    ):
        made("lumina2", pipe, prompt=list(prompts))


def test_an_adapters_processor_is_refused_with_its_remedy() -> None:
    from diffusers.models.transformers.transformer_flux import FluxIPAdapterAttnProcessor

    pipe = quiet("flux")
    attention = pipe.transformer.transformer_blocks[0].attn
    attention.set_processor(FluxIPAdapterAttnProcessor(hidden_size=32, cross_attention_dim=16))
    with (
        pytest.raises(
            UnsupportedModelError, match=r"expected FluxAttnProcessor: call pipe\.unload"
        ),
        attach(pipe, Recorder(), prompt=PROMPT),
    ):
        raise AssertionError("must not be entered")


def test_what_is_not_served_is_refused_by_name() -> None:
    from diffusers import CogView4Transformer2DModel

    other = CogView4Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=1,
        text_embed_dim=8,
        time_embed_dim=8,
        condition_dim=8,
    )
    with (
        pytest.raises(UnsupportedModelError, match=r"CogView4.* FLUX\.1, FLUX\.2"),
        attach(other, Recorder()),
    ):
        raise AssertionError("must not be entered")
