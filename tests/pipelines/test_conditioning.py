"""Prompts are encoded and weighed as the systems that their dialects are of do it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crossattn.dialects import Dialect
from crossattn.encoders import tokenizers_of
from crossattn.pipelines.conditioning import condition
from crossattn.pipelines.settle import read
from crossattn.pipelines.weighting import weigh

NUMBERS = json.loads((Path(__file__).parent / "reference" / "numbers.json").read_text())
"""Written by reference/make.py, which says how."""


def embeds(pipe: Any, source: str, dialect: Dialect, negative: str = "") -> Tensor:
    """The embeddings (rows, tokens, channels) of a prompt and its negative prompt."""
    prompt, against = (read(text, tokenizers_of(pipe), dialect)[0] for text in (source, negative))
    text = condition(pipe, prompt, against, guidance=2.0)
    return weigh(pipe, text, prompt, against, dialect).embeds


@pytest.mark.parametrize(
    ("dialect", "source"), [(name, source) for name, by in NUMBERS.items() for source in by]
)
def test_a_prompt_is_embedded_as_its_systems_own_code_embeds_it(
    steady_pipe: Any, dialect: Dialect, source: str
) -> None:
    got = embeds(steady_pipe, source, dialect)[-1]
    wave = torch.arange(got.shape[-1], dtype=torch.float32).mul(0.9).cos()
    expected = torch.tensor(NUMBERS[dialect][source])
    assert got.shape[0] == len(expected)
    torch.testing.assert_close(got @ wave, expected, atol=2e-3, rtol=1e-3)


def test_a_difference_is_to_the_prompt_without_the_words_laid_word_by_word(
    steady_pipe: Any,
) -> None:
    weighed = embeds(steady_pipe, "a (red:1.5) car on grass", "difference")[-1]
    whole, rest, empty = (
        embeds(steady_pipe, text, "difference")[-1]
        for text in ("a red car on grass", "a car on grass", "")
    )
    there = read("a red car on grass", tokenizers_of(steady_pipe))[0]
    [red], end = [word for word in there.words if word.text == "red"], there.encodings[0].end
    first, last = red.tokens[0][0], red.tokens[0][-1] + 1
    assert end is not None
    laid = whole.clone()
    laid[:first], laid[first:last] = rest[:first], empty[first:last]
    laid[last : end + 1] = rest[first : end + 1 - (last - first)]
    laid[end + 1 :] = rest[end + 1 :]
    torch.testing.assert_close(weighed, laid + 1.5 * (whole - laid))


def test_all_of_a_prompt_is_weighed_against_no_words(steady_pipe: Any) -> None:
    weighed = embeds(steady_pipe, "(a red car:2)", "difference")[-1]
    whole, empty = (embeds(steady_pipe, text, "difference")[-1] for text in ("a red car", ""))
    torch.testing.assert_close(weighed, empty + 2 * (whole - empty))
