"""Weights written into a prompt, read and written back."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.errors import PromptError
from crossattn.weight_syntax import checked_weight, format_weights, parse_weights
from crossattn.word_spans import find_words

SNIPPETS = [
    "cat",
    "Red",
    "(",
    ")",
    "[",
    "]",
    "++",
    "-",
    "+",
    ":1.3",
    ":",
    "1.5",
    "\\",
    " ",
    ",",
    "|",
]
SNIPPETS += ["é", "红", "🎈", "👨‍👩‍👧\u200d", "+\ufe0f", "'", "."]
prompts = st.lists(st.sampled_from(SNIPPETS) | st.characters(exclude_categories=["Cs"])).map(
    "".join
)


def weighted_words(source: str) -> dict[str, float]:
    text, weights = parse_weights(source)
    return {text[start:end]: weights[start] for start, end in find_words(text)}


@pytest.mark.parametrize(
    ("source", "text", "weights"),
    [
        ("a (red:1.3) car", "a red car", {"a": 1, "red": 1.3, "car": 1}),
        ("( red car : 1.3 )", " red car ", {"red": 1.3, "car": 1.3}),
        (
            "(red:-2) (car:0) (sky:.5) (sea:1e0)",
            "red car sky sea",
            {"red": -2, "car": 0, "sky": 0.5},
        ),
        ("(red) [car]", "red car", {"red": 1.1, "car": 0.9091}),
        ("((red)) [[car]]", "red car", {"red": 1.21, "car": 0.8264}),
        ("((red:2) car:1.5)", "red car", {"red": 3, "car": 1.5}),
        ("[(red:2) car]", "red car", {"red": 1.8182, "car": 0.9091}),
        ("red++ car-, sky+.", "red car, sky.", {"red": 1.21, "car": 0.9, "sky": 1.1}),
        ("(a red car)-- (sky)1.4", "a red car sky", {"a": 0.81, "car": 0.81, "sky": 1.4}),
        ("(red++ car:2) (sky:2)+", "red car sky", {"red": 2.42, "car": 2, "sky": 2.2}),
        ("sci-fi++ 猫+ 🎈-", "sci-fi 猫 🎈", {"sci-fi": 1.21, "猫": 1.1, "🎈": 0.9}),
        ("一只(红色:1.3)的猫", "一只红色的猫", {"只": 1, "红": 1.3, "色": 1.3, "的": 1}),
        ("(16:9)", "16", {"16": 9}),
        ("(wait: ...)", "wait: ...", {"wait": 1.1}),
    ],
)
def test_weights_are_read_as_a1111_and_compel_read_them(
    source: str, text: str, weights: dict[str, float]
) -> None:
    assert parse_weights(source)[0] == text
    assert weighted_words(source).items() >= weights.items()


@pytest.mark.parametrize(
    "source",
    [
        "a cat :) and a dog :(",
        "a cat) on (grass",
        "(a cat] on [grass)",
        "() (!) [-] (:1.3",
        "cat(s) and (pre)historic array[i]",
        "red+blue a - b a -- b + c 18+ 3.5- C++x",
        "a backslash \\ and C:\\cats",
        "",
    ],
)
def test_what_nobody_means_as_a_weight_stays_as_it_is(source: str) -> None:
    text, weights = parse_weights(source)
    assert text == source
    assert set(weights) <= {1.0}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"a cat \(sitting\)", "a cat (sitting)"),
        (r"C\+\+ \[x\] \\(", r"C++ [x] \("),
        (r"a\- b", "a- b"),
        (r"\(wait: ...\) 100\%", r"(wait: ...) 100\%"),
    ],
)
def test_a_backslash_makes_brackets_and_marks_plain(source: str, text: str) -> None:
    assert parse_weights(source) == (text, (1.0,) * len(text))


def test_an_escaped_colon_leaves_a_ratio_in_brackets() -> None:
    assert parse_weights(r"(16\:9)")[0] == "16:9"
    assert weighted_words(r"(16\:9:1.3)") == {"16": 1.3, "9": 1.3}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("a (cat:nan)", '"(cat:nan)" has nan'),
        ("a (cat:inf)", "between -10 and 10"),
        ("a (cat:1e308)", '"(cat:1e308)" has 1e+308'),
        ("a (cat:1e999)", "has inf"),
        ("a (cat:-11)", "has -11"),
        ("((cat:5):4)", "has 20"),
        ("((cat:0) dog:inf)", "has inf"),
        ("(cat)20", "has 20"),
        ("cat" + "+" * 100_000, "between -10 and 10"),
        ("(" * 50_000 + "cat" + ")" * 50_000, "between -10 and 10"),
        ("a (cat:1,3)", '"1,3"; write it with a decimal point'),
        ("a (cat:1.2.3)", '"1.2.3"'),
        ("a [cat|dog]", r"write \[ for a plain bracket"),
        ("a [cat:dog:0.5]", '"[cat:dog:0.5]" changes words during the run'),
    ],
)
def test_a_weight_that_is_none_is_refused_in_one_sentence(source: str, sentence: str) -> None:
    with pytest.raises(PromptError) as raised:
        parse_weights(source)
    assert sentence in str(raised.value)
    assert len(str(raised.value)) < 250


def test_the_bounds_themselves_are_weights() -> None:
    assert checked_weight(10, "cat") == 10
    assert checked_weight(-10.00001, "cat") == -10
    assert str(checked_weight(-0.00001, "cat")) == "0.0"


@settings(deadline=None)
@given(prompts)
def test_any_text_is_read_or_refused_with_one_weight_per_character(source: str) -> None:
    try:
        text, weights = parse_weights(source)
    except PromptError:
        return
    assert len(text) == len(weights) <= len(source)
    assert all(abs(weight) <= 10 for weight in weights)


@settings(deadline=None)
@given(prompts, st.data())
def test_what_is_written_is_read_back(text: str, data: st.DataObject) -> None:
    weighted = [(*span, data.draw(st.floats(-10, 10))) for span in find_words(text)]
    read_text, weights = parse_weights(format_weights(text, weighted))
    assert read_text == text
    for start, end, weight in weighted:
        assert weights[start:end] == (checked_weight(weight, "word"),) * (end - start)


def test_a_prompt_without_weights_is_written_as_it_stands() -> None:
    text = "a red-haired cat, 1.5 m tall - 100% \N{EM DASH} 猫 🎈!"
    assert format_weights(text, [(*span, 1.0) for span in find_words(text)]) == text


def test_deep_nesting_and_long_prompts_take_no_noticeable_time() -> None:
    began = time.process_time()
    for source in (
        "[" * 20_000 + "cat" + "]" * 20_000,
        "(" * 50_000 + "a",
        "cat++ (dog:1.2) " * 4_000,
    ):
        parse_weights(source)
    assert time.process_time() - began < 3
