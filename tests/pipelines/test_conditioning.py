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
