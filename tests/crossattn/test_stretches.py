"""Prompts that are longer than an encoder reads at once are read in stretches, word by word."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.dialects import NOTATIONS, Dialect
from crossattn.words import Prompt, PromptCutWarning, read_prompt

DIALECTS: list[Dialect] = list(NOTATIONS)  # type: ignore[arg-type]
WORDS = st.sampled_from(["red ", "a ", "balloon ", "cat, ", "dog. ", "BREAK ", "(car:1.5) "])


@pytest.fixture(scope="module")
def tokenizer(steady_pipe: Any) -> Any:
    return steady_pipe.tokenizer


def places(prompt: Prompt) -> list[int]:
    return [place for word in prompt.words for place in word.tokens[0]]


def test_a_word_of_a_later_stretch_stands_two_places_further_per_stretch(tokenizer: Any) -> None:
    ids = tokenizer("red " * 160 + "car", add_special_tokens=False, verbose=False).input_ids
    fed: list[int] = []
    for at in range(0, len(ids), 75):
        stretch = ids[at : at + 75]
        end = [tokenizer.eos_token_id] * (76 - len(stretch))
        fed += [tokenizer.bos_token_id, *stretch, *end]
    assert len(fed) == 231
    for syntax in (True, False):
        prompt = read_prompt(
            "red " * 160 + "car", {"clip": tokenizer}, {"clip": len(fed)}, syntax=syntax
        )
        assert prompt.word("car").tokens == ((fed.index(ids[-1]),),)
        assert [token.id for token in prompt.encodings[0].tokens] == fed[: fed.index(ids[-1]) + 2]


def test_words_beyond_the_stretches_that_are_read_are_named(tokenizer: Any) -> None:
    with pytest.warns(PromptCutWarning, match="reads 154 tokens"):
        prompt = read_prompt("red " * 150 + "car", {"clip": tokenizer}, {"clip": 154})
    assert [word.text for word in prompt.dropped] == ["car"]


def test_break_needs_room_for_its_stretch(tokenizer: Any) -> None:
    with pytest.warns(PromptCutWarning, match='"dog" fell off'):
        read_prompt("a cat BREAK dog", {"clip": tokenizer})
    prompt = read_prompt("a cat BREAK dog", {"clip": tokenizer}, {"clip": None})
    assert places(prompt) == [1, 2, 78]
    assert prompt.encodings[0].limit == 154


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=120).map("".join), st.sampled_from(DIALECTS))
def test_every_word_is_where_its_tokens_are_in_every_dialect(
    tokenizer: Any, source: str, dialect: Dialect
) -> None:
    prompt = read_prompt(source, {"clip": tokenizer}, {"clip": None}, dialect=dialect)
    [encoding] = prompt.encodings
    assert [token.index for token in encoding.tokens] == list(range(len(encoding.tokens)))
    assert not prompt.dropped
    for word in prompt.words:
        ids = [encoding.tokens[place].id for place in word.tokens[0]]
        assert ids == tokenizer(word.text, add_special_tokens=False).input_ids
        assert {encoding.tokens[place].weight for place in word.tokens[0]} == {word.weight}
    for stretch in encoding.stretches:
        assert len(stretch) <= 77
        assert stretch[0].id == tokenizer.bos_token_id
        assert stretch[-1].id == tokenizer.eos_token_id
    assert all(len(stretch) == 77 for stretch in encoding.stretches[:-1])


def test_a_textual_inversion_is_read_as_the_pipeline_reads_it(sd_pipe: Any) -> None:
    size = sd_pipe.text_encoder.config.hidden_size
    sd_pipe.load_textual_inversion({"mystyle": torch.randn(4, size)}, token="mystyle")
    for text in ("a mystyle dog", "a MyStyle dog"):
        fed = sd_pipe.tokenizer(sd_pipe.maybe_convert_prompt(text, sd_pipe.tokenizer)).input_ids
        dog = sd_pipe.tokenizer("dog", add_special_tokens=False).input_ids[0]
        prompt = read_prompt(text, {"clip": sd_pipe.tokenizer}, syntax=False)
        assert prompt.word("dog").tokens == ((fed.index(dog),),)
