"""What the text encoders read is heard: words without telling, and a sentence where it differs."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from PIL import Image

from crossattn import ControlError, Recorder, UnsupportedModelError, attach, read_prompt
from crossattn.controls import Reweight
from crossattn.encoders import tokenizers_of
from crossattn.guidance import UnreadWeightsWarning
from crossattn.prompt_2 import TwoTextsWarning

A, B = "a red car", "a blue dog"
FEW = {"num_inference_steps": 1, "height": 64, "width": 64, "output_type": "latent"}


@contextmanager
def refused(match: str) -> Iterator[None]:
    with pytest.raises(ControlError, match=match):
        yield


def drawn(pipe: Any, given: Any, **settings: Any) -> Any:
    return pipe(given, generator=torch.Generator().manual_seed(0), **FEW | settings).images


@pytest.mark.parametrize(
    ("told", "given", "said"),
    [
        (A, B, 'The encoder read "a blue dog" and attach was told "a red car"'),
        (A, [A, B], 'The encoder read "a blue dog" and attach was told "a red car"'),
        ([A, B], A, 'attach was told "a red car" and "a blue dog"'),
        ("a (red car:1.4)", A, r'The encoder read "a red car".*read_prompt\(prompt, tokenizers\)'),
    ],
)
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_another_prompt_than_was_told_is_refused(
    sd_pipe: Any, told: Any, given: Any, said: str, guidance: float
) -> None:
    with refused(said), attach(sd_pipe, Recorder(), prompt=told):
        drawn(sd_pipe, given, guidance_scale=guidance)


def test_another_negative_prompt_than_was_told_is_refused(sd_pipe: Any) -> None:
    recorder = Recorder(negative=True)
    with (
        refused('read "blue" and attach was told "red"; give attach the negative prompts'),
        attach(sd_pipe, recorder, prompt=A, negative_prompt="red"),
    ):
        drawn(sd_pipe, A, negative_prompt="blue")


def test_a_copied_pipeline_hears_the_same_words(sd_pipe: Any) -> None:
    with attach(copied := copy.deepcopy(sd_pipe), recorder := Recorder()):
        drawn(copied, A)
    assert [word.text for word in recorder.trace.prompt.words] == ["a", "red", "car"]


def test_words_are_heard_where_no_prompt_is_told(sd_pipe: Any) -> None:
    heard, told = Recorder(), Recorder()
    with attach(sd_pipe, heard):
        drawn(sd_pipe, [A, B], negative_prompt=["the", "grass"])
    with attach(sd_pipe, told, prompt=[A, B]):
        drawn(sd_pipe, [A, B], negative_prompt=["the", "grass"])
    for image, word in ((0, "car"), (1, "dog")):
        one, other = heard.trace.image(image)[word], told.trace.image(image)[word]
        assert torch.equal(one.data, other.data)


def test_each_run_has_the_words_that_it_was_given(sd_pipe: Any) -> None:
    recorder = Recorder()
    with attach(sd_pipe, recorder):
        drawn(sd_pipe, A)
        first = recorder.trace
        drawn(sd_pipe, B)
    assert first.prompt.text == A
    assert recorder.trace.prompt.text == B


def test_embeddings_made_before_go_by_what_the_pipeline_says(sd_pipe: Any) -> None:
    embeds, negative = sd_pipe.encode_prompt(A, "cpu", 1, True)
    given = {"prompt_embeds": embeds, "negative_prompt_embeds": negative}
    heard, before = Recorder(), Recorder()
    with attach(sd_pipe, heard, prompt=A):
        drawn(sd_pipe, A)
    with attach(sd_pipe, before, prompt=A):
        drawn(sd_pipe, None, **given)
    assert torch.equal(heard.trace["car"].data, before.trace["car"].data)
    with (
        pytest.warns(UnreadWeightsWarning, match="brackets and numbers too"),
        attach(sd_pipe, before, prompt="a (red car:1.4)"),
    ):
        drawn(sd_pipe, None, **given)


def test_rows_that_nobody_can_tell_are_asked_for(sd_pipe: Any) -> None:
    sides = torch.cat(sd_pipe.encode_prompt(A, "cpu", 1, True)[::-1])
    sd_pipe.scheduler.set_timesteps(1)
    latents = torch.ones(1, 4, 8, 8)
    with (
        refused(r"does not say whether its batch of 2 row\(s\) holds negative ones; give attach"),
        attach(sd_pipe, Recorder(), prompt=A),
    ):
        sd_pipe.unet(latents.expand(2, -1, -1, -1), 1, encoder_hidden_states=sides)
    with refused("UNet2DConditionModel does not say"), attach(sd_pipe.unet, Recorder()):
        sd_pipe.unet(latents.expand(2, -1, -1, -1), 1, encoder_hidden_states=sides)
    with (
        refused("guided=False if all are conditional"),
        attach(sd_pipe, Recorder(), prompt=A),
        torch.no_grad(),
    ):
        for side in sides.split(1):
            sd_pipe.unet(latents, 1, encoder_hidden_states=side)


def test_weighted_embeddings_are_known_by_the_other_side(sd_pipe: Any) -> None:
    prompt = read_prompt("a (red car:1.4)", tokenizers_of(sd_pipe))
    recorder = Recorder()
    with attach(sd_pipe, recorder, prompt=prompt):
        embeds, negative = sd_pipe.encode_prompt(prompt.text, "cpu", 1, True)
        weighted = embeds * torch.linspace(1, 1.4, 77)[:, None]
        drawn(sd_pipe, None, prompt_embeds=weighted, negative_prompt_embeds=negative)
    expected = Recorder()
    with attach(sd_pipe, expected, prompt=prompt, guided=True):
        drawn(sd_pipe, None, prompt_embeds=weighted, negative_prompt_embeds=negative)
    assert torch.equal(recorder.trace["car"].data, expected.trace["car"].data)


def test_a_second_prompt_has_words_of_its_own(sdxl_pipe: Any) -> None:
    recorder = Recorder()
    with (
        pytest.warns(TwoTextsWarning, match='"clip-2" read "the cat" beside "a red car"'),
        attach(sdxl_pipe, recorder, prompt=A),
    ):
        drawn(sdxl_pipe, A, prompt_2="the cat")
    trace = recorder.trace
    assert torch.equal(trace["cat"].data, trace.token(2).data)
    assert torch.equal(trace["red"].data, trace.token(2).data)
    assert [word.text for word, _ in trace.mass] == ["a", "red", "car", "the", "cat"]


def test_a_run_in_another_thread_is_not_in_sight_and_is_told(sd_pipe: Any) -> None:
    with (
        refused("run in another thread or context than the one that attached"),
        attach(sd_pipe, Reweight({"car": 2.0}), prompt=A),
    ):
        thread = threading.Thread(target=drawn, args=(sd_pipe, A))
        thread.start()
        thread.join()


def test_a_picture_of_many_views_is_refused(sd_pipe: Any) -> None:
    sd_pipe.get_views = None
    with (
        pytest.raises(UnsupportedModelError, match="overlapping views"),
        attach(sd_pipe, Recorder()),
    ):
        raise AssertionError("must not be entered")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_map_of_an_inpainted_crop_lies_where_the_crop_lies(sd_pipe: Any) -> None:
    from diffusers import StableDiffusionInpaintPipeline

    pipe = StableDiffusionInpaintPipeline(**sd_pipe.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    mask = Image.new("L", (256, 128))
    mask.paste(255, (128, 0, 192, 64))
    recorder = Recorder()
    settings = {"image": mask.convert("RGB"), "mask_image": mask, "num_inference_steps": 2}
    with attach(pipe, recorder, prompt=A):
        drawn(pipe, A, **settings, strength=1.0, padding_mask_crop=0, output_type="pil")
        cropped = recorder.trace
        drawn(pipe, A, **settings, strength=1.0)
    data = cropped["car"].data
    assert data.shape == (16, 32)
    assert data[:8, 16:24].gt(0).all()
    assert data.count_nonzero() == 64
    assert recorder.trace["car"].data.shape == (8, 8)
