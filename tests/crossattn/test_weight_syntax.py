"""Weights in a prompt are read."""

import contextlib
import time

import pytest
from any_prompt import DIALECTS, prompts
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.dialects import NOTATIONS, Dialect
from crossattn.errors import PromptError
from crossattn.weight_syntax import checked_weight, parse_weights
from crossattn.word_spans import find_words
from crossattn.words import read_prompt


def weighted_words(source: str, dialect: Dialect = "compel") -> dict[str, float]:
    read = parse_weights(source, dialect)
    return {read.text[start:end]: read.weights[start] for start, end in find_words(read.text)}


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
        ("一只(红色:1.3)的猫", "一只红色的猫", {"只": 1, "红": 1.3, "色": 1.3, "的": 1}),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_number_in_round_brackets_weighs_in_every_dialect(
    source: str, text: str, weights: dict[str, float], dialect: Dialect
) -> None:
    assert parse_weights(source, dialect).text == text
    assert weighted_words(source, dialect).items() >= weights.items()


# What each notation makes of the word cat, by the rule of the system that the dialect is of;
# a text where it stays in the prompt as it is.
TABLE: list[tuple[str, dict[str, float | str]]] = [
    ("(cat)", {"a1111": 1.1, "attention": 1.1, "comfy": 1.1, "compel": 1.0}),
    ("((cat))", {"a1111": 1.21, "attention": 1.21, "comfy": 1.21, "compel": 1.0}),
    ("[cat]", {"a1111": 0.9091, "attention": 0.9091, "comfy": "[cat]", "compel": "[cat]"}),
    ("[[cat]]", {"a1111": 0.8264, "attention": 0.8264, "comfy": "[[cat]]", "compel": "[[cat]]"}),
    ("([cat])", {"a1111": 1.0, "comfy": 1.1, "compel": 1.0}),
    ("[(cat:2)]", {"a1111": 1.8182, "comfy": 2.0, "compel": 2.0}),
    ("cat++", {"a1111": "cat++", "attention": "cat++", "comfy": "cat++", "compel": 1.21}),
    ("cat-", {"a1111": "cat-", "attention": "cat-", "comfy": "cat-", "compel": 0.9}),
    ("(cat)++", {"a1111": 1.1, "comfy": 1.1, "compel": 1.21}),
    ("(cat)--", {"a1111": 1.1, "comfy": 1.1, "compel": 0.81}),
    ("(cat)1.4", {"a1111": "(cat)1.4", "comfy": "(cat)1.4", "compel": 1.4}),
    ("(cat)0", {"a1111": "(cat)0", "comfy": "(cat)0", "compel": 0.0}),
    ("(cat:2)+", {"a1111": 2.0, "comfy": 2.0, "compel": 2.2}),
    ("(cat++ dog)1.5", {"a1111": "(cat++ dog)1.5", "comfy": "(cat++ dog)1.5", "compel": 1.815}),
    ("(cat:1.5)", {"a1111": 1.5, "attention": 1.5, "comfy": 1.5, "compel": 1.5}),
    ("(a (cat:1.5) b:1.2)", {"a1111": 1.8, "attention": 1.8, "comfy": 1.5, "compel": 1.8}),
    ("((cat:1.2))", {"a1111": 1.32, "attention": 1.32, "comfy": 1.2, "compel": 1.2}),
    ("(a (cat) b:1.2)", {"a1111": 1.32, "comfy": 1.32, "compel": 1.2}),
    ("(a ((cat:0.5)) b:2)", {"a1111": 1.1, "comfy": 0.5, "compel": 1.0}),
    ("(cat:-1)", {"a1111": -1.0, "attention": -1.0, "comfy": -1.0, "compel": -1.0}),
    ("(cat:+1.5)", {"a1111": 1.5, "comfy": 1.5, "compel": 1.5}),
    (r"\(cat\)", {"a1111": "(cat)", "comfy": "(cat)", "compel": "(cat)"}),
    ("a cat :)", {"a1111": "cat :)", "comfy": "cat :)", "compel": "cat :)"}),
    ("cat(s)", {"a1111": "cat(s)", "comfy": "cat(s)", "compel": "cat(s)"}),
]


@pytest.mark.parametrize(
    ("source", "dialect", "means"),
    [(source, dialect, means) for source, by in TABLE for dialect, means in by.items()],
)
def test_each_dialect_reads_a_notation_by_its_own_rule(
    source: str, dialect: Dialect, means: float | str
) -> None:
    read = parse_weights(source, dialect)
    if isinstance(means, str):
        assert means in read.text
        assert set(read.weights) == {1.0}
    else:
        assert weighted_words(source, dialect)["cat"] == means


def test_signs_weigh_words_of_any_script() -> None:
    assert weighted_words("sci-fi++ 猫+ 🎈-, sky+.") == {
        "sci-fi": 1.21,
        "猫": 1.1,
        "🎈": 0.9,
        "sky": 1.1,
    }


@pytest.mark.parametrize(
    "source",
    [
        "a cat :) and a dog :(",
        "a cat) on (grass",
        "(a cat] on [grass)",
        "() (!) [-] (:1.3",
        "cat(s) and (pre)historic array[i]",
        "red+blue a - b a -- b + c 18+ 3.5- C++x",
        "a C++ book, an A+ grade, B- at best",
        "pre- and post-war street, two- and three-storey houses, left-, right-handed",
        "a backslash \\ and C:\\cats",
        "OUTBREAK BREAKFAST BRANDY",
        "",
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_nobody_means_as_a_weight_stays_as_it_is(source: str, dialect: Dialect) -> None:
    read = parse_weights(source, dialect)
    assert read.text == source
    assert set(read.weights) <= {1.0}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("(scene 16:9)", "scene 16:9"),
        ("(showing 10:30)", "showing 10:30"),
        ("(16:9)", "16:9"),
        ("(a cat, :3)", "a cat, :3"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_ratios_times_and_emoticons_in_brackets_are_words(
    source: str, text: str, dialect: Dialect
) -> None:
    read = parse_weights(source, dialect)
    assert read.text == text
    assert set(read.weights) == {NOTATIONS[dialect].round}
    assert "plain text" in " ".join(mark.does for mark in read.marks)


def test_a_number_behind_a_number_weighs_with_a_point() -> None:
    assert weighted_words("(year 1990:1.3)") == {"year": 1.3, "1990": 1.3}
    assert weighted_words("(worst, low quality, :1.4)") == dict.fromkeys(
        ("worst", "low", "quality"), 1.4
    )


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
    read = parse_weights(source)
    assert (read.text, read.weights) == (text, (1.0,) * len(text))


def test_an_escaped_colon_leaves_a_ratio_in_brackets() -> None:
    assert parse_weights(r"(16\:9)").text == "16:9"
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
        ("a (cat:1,3)", '"1,3"; write it with a decimal point'),
        ("a (cat:1.2.3)", '"1.2.3"'),
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


@pytest.mark.slow
def test_brackets_without_end_are_out_of_bounds() -> None:
    with pytest.raises(PromptError, match="between -10 and 10"):
        parse_weights("(" * 50_000 + "cat" + ")" * 50_000, "a1111")


@pytest.mark.parametrize(
    ("source", "text", "begun"),
    [
        ("a cat BREAK a dog", "a cat a dog", "a dog"),
        ("a cat,BREAK\n a dog", "a cat, a dog", "a dog"),
        ("(a cat:1.3)BREAK(a dog:1.2)", "a cat a dog", "a dog"),
        ("(a cat BREAK a dog:1.3)", "a cat a dog", "a dog"),
        ("a cat BREAK", "a cat ", ""),
        ("BREAK a cat", "a cat", "a cat"),
    ],
)
def test_break_begins_a_stretch_and_divides_words(source: str, text: str, begun: str) -> None:
    read = parse_weights(source)
    assert read.text == text
    assert [text[place:] for place in read.breaks] == [begun]


def test_each_mark_is_told_with_what_it_did() -> None:
    read = parse_weights(r"(small:1.5) [cat] \(left\) (heavy BREAK snow++)1.2", "compel")
    assert [(mark.text, mark.does) for mark in read.marks] == [
        ("(small:1.5)", "× 1.5"),
        ("[cat]", "plain text: square brackets weigh nothing in compel"),
        (r"\(", "plain text, by the backslash"),
        (r"\)", "plain text, by the backslash"),
        ("(heavy BREAK snow++)1.2", "× 1.2"),
        ("BREAK", "begins a new stretch"),
        ("snow++", "× 1.21"),
    ]
    assert [mark.text for mark in read.marks if mark.foreign] == ["[cat]"]


@settings(deadline=None)
@given(prompts, st.sampled_from(DIALECTS))
def test_any_text_is_read_or_refused_with_one_weight_per_character(
    source: str, dialect: Dialect
) -> None:
    try:
        read = parse_weights(source, dialect)
    except PromptError:
        return
    assert len(read.text) == len(read.weights) <= len(source)
    assert all(abs(weight) <= 10 for weight in read.weights)
    assert list(read.breaks) == sorted(read.breaks)
    assert all(source[mark.start : mark.end] == mark.text for mark in read.marks)


def seconds(source: str) -> float:
    """The processor time of reading a prompt, the best of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(PromptError):
            read_prompt(source)
        times.append(time.process_time() - began)
    return min(times)


def test_ten_thousand_characters_of_a_prompt_take_less_than_a_blink() -> None:
    words = "(masterpiece:1.2), a red-haired cat++ on [green] grass, C++, BREAK (snow:0.8)\n"
    assert seconds((words * 200)[:9_975]) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "[",
        "[a|",
        "[a:",
        "a BREAK ",
        "\\(",
        "{",
        "_",
        "a AND ",
        "<",
        "a.blend(",
        "pre- ",
        "$",
        "+",
    ],
)
def test_no_text_of_ten_thousand_characters_takes_long(piece: str) -> None:
    assert seconds((piece * 10_000)[:10_000]) < 0.25
    assert seconds("[" * 4_990 + "cat" + "]" * 4_990) < 0.25
