"""Prompts as words: occurrences, phrases, weights and their places, without any tokenizer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.errors import PromptError, WordNotFoundError
from crossattn.weight_writing import with_weights
from crossattn.words import Prompt, read_prompt

plain_text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40)


def texts(prompt: Prompt) -> list[str]:
    return [word.text for word in prompt.words]


def test_the_model_reads_the_text_without_the_weights_and_the_source_is_kept() -> None:
    prompt = read_prompt("a (red:1.3) car++, left")
    assert prompt.raw == "a (red:1.3) car++, left"
    assert prompt.text == "a red car, left"
    assert [(word.text, word.weight) for word in prompt.words] == [
        ("a", 1.0),
        ("red", 1.3),
        ("car", 1.21),
        ("left", 1.0),
    ]
    assert all(prompt.text[slice(*word.span)] == word.text for word in prompt.words)
    assert prompt.encodings == prompt.dropped == ()


def test_a_weight_on_part_of_a_word_is_a_weight_on_the_word() -> None:
    assert [(w.text, w.weight) for w in read_prompt("sun(flower:1.3)s").words] == [
        ("sunflowers", 1.3)
    ]


def test_without_syntax_brackets_are_text() -> None:
    prompt = read_prompt("a (red:1.3) car++", syntax=False)
    assert prompt.text == prompt.raw == "a (red:1.3) car++"
    assert {word.weight for word in prompt.words} == {1.0}


def test_repeated_words_are_counted_whatever_their_case() -> None:
    prompt = read_prompt("A dog, a Dog and a DOG; cafe\u0301, Caf\u00e9")
    assert [word.occurrence for word in prompt.find("dog")] == [1, 2, 3]
    assert [word.text for word in prompt.find("dog")] == ["dog", "Dog", "DOG"]
    assert prompt.word("dog").text == "dog"
    assert prompt.word(" dog ", 3).text == "DOG"
    assert prompt.word("CAF\u00c9", occurrence=2).text == "Caf\u00e9"


@pytest.mark.parametrize("occurrence", [0, -1, 3])
def test_an_occurrence_that_is_not_there_is_refused_with_the_count(occurrence: int) -> None:
    prompt = read_prompt("a dog and a dog")
    for ask in (prompt.word, prompt.phrase):
        with pytest.raises(WordNotFoundError) as raised:
            ask("dog", occurrence)
        assert str(raised.value) == (
            f'The prompt has "dog" 2 times, so there is no occurrence {occurrence}; '
            "occurrences count from 1."
        )


@pytest.mark.parametrize(
    ("source", "asked", "sentence"),
    [
        ("a blue balloon", "baloon", 'The prompt has no "baloon"; did you mean "balloon"?'),
        ("a cat's tail", "cat", 'The prompt has no "cat"; did you mean "cat\'s"?'),
        ("red on grass", "xylophone", 'choose among "red", "on", "grass".'),
        ("  ", "cat", "it has no words at all."),
        ("a cat", "", 'The prompt has no "";'),
        ("a cat!", "!", 'The prompt has no "!";'),
        ("a blue balloon", "blue balloon", "ask for it as a phrase."),
    ],
)
def test_a_missing_word_is_refused_with_the_nearest_ones(
    source: str, asked: str, sentence: str
) -> None:
    with pytest.raises(WordNotFoundError) as raised:
        read_prompt(source).find(asked)
    assert sentence in str(raised.value)


def test_a_long_prompt_is_not_listed_in_full_in_an_error() -> None:
    source = " ".join(f"word{number}" for number in range(200))
    with pytest.raises(WordNotFoundError, match="and 180 more"):
        read_prompt(source).word("zzz")


def test_a_phrase_is_words_that_follow_each_other() -> None:
    prompt = read_prompt("A Blue balloon, one (blue:1.2)  balloon, a red balloon")
    assert [w.occurrence for w in prompt.phrase("blue balloon")] == [1, 1]
    assert [w.occurrence for w in prompt.phrase("blue balloon", 2)] == [2, 2]
    assert [w.text for w in prompt.phrase("red")] == ["red"]
    with pytest.raises(WordNotFoundError, match='no "blue red"'):
        prompt.phrase("blue red")


def test_one_of_several_is_named_by_its_number() -> None:
    prompt = read_prompt("A dog, a blue dog, a (blue:1.2) Dog and a 🚗🚗")
    assert [word.occurrence for word in prompt.named("dog")] == [1, 2, 3]
    assert prompt.named("dog#2") == prompt.find("dog")[1:2]
    assert [word.occurrence for word in prompt.named("blue dog#2")] == [2, 3]
    assert [prompt.name_of(word) for word in prompt.words[-4:]] == ["and", "a#4", "🚗#1", "🚗#2"]
    assert all(prompt.named(prompt.name_of(word)) == (word,) for word in prompt.words)
    assert "dog#3" in prompt
    assert "dog#4" not in prompt
    with pytest.raises(WordNotFoundError, match='has "dog" 3 times, so there is no occurrence 4'):
        prompt.named("dog#4")


def test_chinese_and_emoji_are_found_without_spaces() -> None:
    prompt = read_prompt("一只(红色:1.3)的猫🎈🚗")
    assert [word.text for word in prompt.phrase("红色")] == ["红", "色"]
    assert prompt.word("猫").span == (5, 6)
    assert prompt.word("🚗").weight == 1.0
    assert prompt.word("红").weight == 1.3


@pytest.mark.parametrize("source", ["", " ", "\n\t", "!?", "\u0301\u202e"])
def test_a_prompt_may_have_no_words(source: str) -> None:
    prompt = read_prompt(source)
    assert (prompt.text, prompt.words) == (source, ())


@pytest.mark.parametrize("source", ["a\0cat", "\ud800", "a (cat:nan)", "(cat:1e308)"])
def test_what_no_model_can_read_is_refused(source: str) -> None:
    with pytest.raises(PromptError):
        read_prompt(source)


@settings(deadline=None)
@given(plain_text)
def test_words_are_pieces_of_the_text_in_order_and_apart(source: str) -> None:
    prompt = read_prompt(source, syntax=False)
    pieces = []
    done = 0
    for word in prompt.words:
        start, end = word.span
        assert done <= start < end
        pieces += [prompt.text[done:start], word.text]
        done = end
    assert "".join([*pieces, prompt.text[done:]]) == source


@settings(deadline=None)
@given(plain_text, st.data())
def test_weights_set_by_position_are_read_back_from_the_source(
    text: str, data: st.DataObject
) -> None:
    prompt = read_prompt(text, syntax=False)
    weights = {
        position: round(data.draw(st.floats(-10, 10)), 2) for position in range(len(prompt.words))
    }
    again = read_prompt(with_weights(prompt, weights))
    assert again.text == prompt.text
    assert {position: word.weight for position, word in enumerate(again.words)} == weights
    assert texts(again) == texts(prompt)


def test_setting_one_weight_keeps_the_others_and_one_takes_a_weight_away() -> None:
    prompt = read_prompt("a red++ (car)0.9091 \\(left\\)")
    assert with_weights(prompt, {0: 2}) == "(a:2) (red:1.21) (car:0.9091) \\(left\\)"
    assert with_weights(prompt, {1: 1, 2: 1.0}) == "a red car \\(left\\)"
    assert read_prompt(with_weights(prompt, {})).words == prompt.words


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 1e308, -10.1])
def test_a_weight_out_of_bounds_is_not_written(weight: float) -> None:
    with pytest.raises(PromptError, match='between -10 and 10, but "cat" has'):
        with_weights(read_prompt("a cat"), {1: weight})


@pytest.mark.parametrize("position", [-1, 2])
def test_a_weight_needs_a_word_to_be_on(position: int) -> None:
    with pytest.raises(WordNotFoundError, match="has 2 words, counted from 0"):
        with_weights(read_prompt("a cat"), {position: 1.5})
