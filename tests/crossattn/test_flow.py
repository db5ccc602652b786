"""How words mix inside the text encoder."""

from typing import Any

import pytest
import torch

from crossattn import ControlError, Recorder, UnsupportedModelError, attach, read_prompt
from crossattn.flow import read_flow

PROMPT = "a red car and a blue balloon"


def test_the_text_encoders_weights_are_its_own(sd_pipe: Any) -> None:
    prompt = read_prompt(PROMPT, {"clip": sd_pipe.tokenizer})
    flow = read_flow("clip", sd_pipe.text_encoder, prompt)
    ids = torch.tensor([[token.id for token in prompt.encodings[0].tokens]])
    sd_pipe.text_encoder.set_attn_implementation("eager")
    expected = sd_pipe.text_encoder(ids, output_attentions=True).attentions
    torch.testing.assert_close(flow.weights, torch.cat(expected).detach())


def test_no_word_comes_from_a_later_one_and_every_share_is_accounted_for(sd_pipe: Any) -> None:
    prompt = read_prompt(PROMPT, {"clip": sd_pipe.tokenizer})
    flow = read_flow("clip", sd_pipe.text_encoder, prompt)
    torch.testing.assert_close(flow.tokens().sum(-1), torch.ones(len(flow.tokens())))
    assert torch.equal(flow.tokens().triu(1), torch.zeros_like(flow.tokens()))
    words = flow.words()
    assert words.shape == (7, 8)
    torch.testing.assert_close(words.sum(-1), torch.ones(7))
    assert torch.equal(words[:, 1:].triu(1), torch.zeros(7, 7))


def test_an_encoder_that_hides_its_attention_is_refused(sd_pipe: Any) -> None:
    sd_pipe.text_encoder.set_attn_implementation("eager")
    prompt = read_prompt(PROMPT, {"clip": sd_pipe.tokenizer})
    with pytest.raises(UnsupportedModelError, match="attn_implementation"):
        read_flow("clip", sd_pipe.text_encoder, prompt)


def test_a_recorder_reads_the_text_encoders_of_the_prompt_it_is_given(sdxl_pipe: Any) -> None:
    recorder = Recorder(text=True)
    with attach(sdxl_pipe, recorder, prompt=PROMPT):
        pass
    assert [flow.encoder for flow in recorder.flows] == ["clip", "clip-2"]
    # The tiny encoders have two layers, of which SDXL's denoiser is given what the first makes.
    assert all(len(flow.weights) == 1 for flow in recorder.flows)


def test_without_a_prompt_there_is_no_text_to_read(sd_pipe: Any) -> None:
    with (
        pytest.raises(ControlError, match="prompt="),
        attach(sd_pipe, Recorder(text=True)),
    ):
        raise AssertionError("must not be entered")
