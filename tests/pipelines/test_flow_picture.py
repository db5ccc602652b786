"""The picture of how words mix in the text encoder."""

from typing import Any

import torch

from crossattn import Flow, read_prompt
from crossattn.pipelines.flow_picture import LITTLE, MUCH, flow_picture


def test_a_word_made_of_itself_alone_is_dark_on_the_diagonal_and_nowhere_else(
    sd_pipe: Any,
) -> None:
    prompt = read_prompt("a red car", {"clip": sd_pipe.tokenizer})
    count = len(prompt.encodings[0].tokens)
    picture = flow_picture(Flow("clip", prompt, torch.eye(count).expand(2, 2, -1, -1)))
    colours = {colour: number for number, colour in picture.getcolors(maxcolors=100_000) or []}
    dark, light = (tuple(int(c) for c in shade) for shade in (MUCH, LITTLE))
    # Three words: three dark cells; start and earlier words give 1 + 2 + 3 light ones.
    assert 1.8 < colours[light] / colours[dark] < 2.2
