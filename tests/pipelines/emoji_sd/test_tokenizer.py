"""The tokenizer: CLIP's own files, any text, some words in several tokens."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from crossattn.pipelines.emoji_sd import describe, model_path, scenes, words
from crossattn.pipelines.emoji_sd.tokenizer import LENGTH, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(folder, captions=3000)
    return CLIPTokenizer.from_pretrained(str(folder))


@cache
def shipped() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(str(model_path() / "tokenizer"))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_tokenized_without_unknown_tokens(text: str) -> None:
    tokenizer = shipped()
    numbers = tokenizer(text, truncation=True).input_ids
    assert numbers[0] == tokenizer.bos_token_id
    assert numbers[-1] == tokenizer.eos_token_id
    assert max(numbers) < len(tokenizer)
    if "endoftext" not in text:
        assert tokenizer.unk_token_id not in numbers[1:-1]


def test_a_caption_comes_back_from_its_tokens(tokenizer: CLIPTokenizer) -> None:
    for scene in scenes("fresh", 0, 50):
        text = describe(scene).text
        decoded = tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True)
        assert decoded.replace(" ,", ",").strip() == text


def test_every_caption_fits_with_room_to_spare(tokenizer: CLIPTokenizer) -> None:
    longest = max(len(tokenizer(describe(s).text).input_ids) for s in scenes("fresh", 0, 500))
    assert tokenizer.model_max_length == LENGTH == 77
    assert longest < LENGTH


def test_some_words_take_several_tokens_and_most_take_one(tokenizer: CLIPTokenizer) -> None:
    counts = [len(tokenizer(word).input_ids) - 2 for word in words()]
    assert 0.5 < counts.count(1) / len(counts) < 0.97


def test_training_twice_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        train_tokenizer(tmp_path / name, captions=500)
    for file in ("vocab.json", "merges.txt"):
        first, second = ((tmp_path / name / file).read_bytes() for name in ("first", "second"))
        assert first == second
