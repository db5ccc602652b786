"""Where words begin and end, in every script and for whatever text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.errors import PromptError
from crossattn.word_spans import find_words, quoted, refuse_unreadable, same_word


def words_of(text: str) -> list[str]:
    return [text[start:end] for start, end in find_words(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("a cat, sitting.", ["a", "cat", "sitting"]),
        ("a  cat\t\non grass", ["a", "cat", "on", "grass"]),
        ("the cat's o\u2019clock, dogs'", ["the", "cat's", "o\u2019clock", "dogs"]),
        ("a red-haired, sci-fi long_hair - yes", ["a", "red-haired", "sci-fi", "long_hair", "yes"]),
        ("12 cats at 1.5, 16:9", ["12", "cats", "at", "1.5", "16", "9"]),
        ("ends in 3.", ["ends", "in", "3"]),
        ("caf\u00e9 cafe\u0301 x\u0301\u0302", ["caf\u00e9", "cafe\u0301", "x\u0301\u0302"]),
        ("нос Ωμέγα عربي हिन्दी", ["нос", "Ωμέγα", "عربي", "हिन्दी"]),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"],
        ),
        ("红色的猫, ねこ", ["红", "色", "的", "猫", "ね", "こ"]),
        ("カメラ 고양이", ["カメラ", "고양이"]),
        ("a\u202eb", ["a", "b"]),
        ("a 🎈🚗!", ["a", "🎈", "🚗"]),
        ("👨‍👩‍👧👍🏽", ["👨‍👩‍👧", "👍🏽"]),
        ("❤️ 🏳️‍🌈 🙂‍↔️ ↔️", ["❤️", "🏳️‍🌈", "🙂‍↔️", "↔️"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("\u0301 ... ''--", []),
    ],
)
def test_words_are_what_a_reader_of_the_script_would_call_words(
    text: str, words: list[str]
) -> None:
    assert words_of(text) == words


@settings(deadline=None)
@given(st.text())
def test_every_character_belongs_to_exactly_one_word_or_gap(text: str) -> None:
    spans = find_words(text)
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    assert edges == sorted(edges)
    assert all(start < end for start, end in spans)
    gaps = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    assert not any(character.isalnum() for gap in gaps for character in gap)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Dog", "dOG"), ("caf\u00e9", "CAFE\u0301"), ("cat's", "cat\u2019s"), ("Straße", "STRASSE")],
)
def test_spellings_of_one_word_count_as_the_same(one: str, other: str) -> None:
    assert same_word(one) == same_word(other)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cat\0", "character 4 is U+0000, a control character"),
        ("\x1b[31m", "character 1 is U+001B, a control character"),
        ("ca\ud83dt", "character 3 is U+D83D, half of a surrogate pair"),
    ],
)
def test_a_character_that_no_tokenizer_takes_is_named_with_its_place(
    text: str, sentence: str
) -> None:
    with pytest.raises(PromptError) as raised:
        refuse_unreadable(text)
    assert sentence in str(raised.value)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(lambda text: text + "\t\r\n"))
def test_all_other_characters_are_allowed(text: str) -> None:
    refuse_unreadable(text)


def test_a_long_piece_of_prompt_is_quoted_in_one_line() -> None:
    assert quoted("cat") == '"cat"'
    assert len(quoted("cat" * 100)) == 62
