"""Schedules and AND are read as AUTOMATIC1111 reads them, and any text is read or refused."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.dialects import NOTATIONS, Dialect
from crossattn.errors import PromptError
from crossattn.prompt_schedule import Part, at_step, parts, plan
from crossattn.whole_prompt import (
    check_negative_prompt,
    check_prompt,
    longest_prompt,
    marks,
    plain_text,
)

DIALECTS: list[Dialect] = list(NOTATIONS)  # type: ignore[arg-type]
PIECES = [
    "[",
    "]",
    "(",
    ")",
    "|",
    ":",
    "0.5",
    "3",
    "cat",
    "dog ",
    " AND ",
    "\\",
    "BREAK ",
    "+",
    ",",
]
PIECES += ["{", "}", "<lora:x:1>", "__x__", "a.blend(1)", "1.3", "-", "é", "红", "\n"]


# What AUTOMATIC1111's own documentation of its schedules says of ten steps.
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("test", {0: "test", 9: "test"}),
        ("a [b:3]", {0: "a ", 2: "a ", 3: "a b", 9: "a b"}),
        ("a [b: 3]", {2: "a ", 3: "a b"}),
        ("a [[[b]]:2]", {1: "a ", 2: "a [[b]]"}),
        ("[(a:2):3]", {2: "", 3: "(a:2)"}),
        ("a [b : c : 1] d", {0: "a b  d", 1: "a  c  d"}),
        ("a[b:[c:d:2]:1]e", {0: "abe", 1: "ace", 2: "ade"}),
        ("a [unbalanced", {0: "a [unbalanced"}),
        ("a [b:.5] c", {4: "a  c", 5: "a b c"}),
        ("[a|(b:1.1)]", {0: "a", 1: "(b:1.1)", 2: "a"}),
        ("[fe|]male", {0: "female", 1: "male", 2: "female"}),
        ("[fe|||]male", {0: "female", 1: "male", 3: "male", 4: "female"}),
    ],
)
def test_a_schedule_says_at_each_step_what_it_says_there(source: str, said: dict[int, str]) -> None:
    for step, text in said.items():
        assert at_step(source, step, 10) == text


def test_a_share_of_the_run_is_the_same_whatever_the_number_of_steps() -> None:
    for steps in (3, 10, 25, 100):
        told = [at_step("[a:b:0.29]", step, steps) for step in range(steps)]
        assert told.count("a") == int(0.29 * steps + 1e-9)


def test_prompts_are_grouped_by_what_they_say() -> None:
    assert plan("a [cat|dog]", 4) == (((Part("a cat"),), (0, 2)), ((Part("a dog"),), (1, 3)))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat AND a dog", [("a cat ", 1.0), (" a dog", 1.0)]),
        ("a cat :1.2 AND a dog : -0.5 ", [("a cat", 1.2), (" a dog", -0.5)]),
        ("a CAT and a BRAND", [("a CAT and a BRAND", 1.0)]),
        ("time 10:30", [("time 10:30", 1.0)]),
    ],
)
def test_and_divides_prompts_and_takes_their_weights(
    source: str, expected: list[tuple[str, float]]
) -> None:
    assert [(part.source, part.weight) for part in parts(source)] == expected


def test_what_a_prompt_says_in_the_end_names_its_files() -> None:
    assert plain_text("a [red:(blue:1.2):0.3] car AND a dog :0.5") == "a blue car and a dog"


def test_the_prompt_that_draws_most_is_the_one_that_is_shown() -> None:
    assert longest_prompt("a [red:blue:0.3] car AND a dog", steps=10).text == "a blue car "
    assert longest_prompt("a [red|blue] car", steps=4).text == "a red car"


def test_marks_of_a_schedule_are_told() -> None:
    told = [(mark.text, mark.does) for mark in marks("[a|b] [c:4] [d::0.5]", "a1111")]
    assert told == [
        ("[a|b]", 'takes turns, step by step: "a", "b"'),
        ("[c:4]", '"" for the first 4 steps, then "c"'),
        ("[d::0.5]", '"d" for the first 0.5 of the run, then ""'),
    ]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.sampled_from(DIALECTS),
    st.integers(1, 30),
)
def test_any_prompt_is_read_or_refused_in_a_sentence(
    source: str, dialect: Dialect, steps: int
) -> None:
    for check in (check_prompt, check_negative_prompt):
        with contextlib.suppress(PromptError):
            check(source, dialect, steps=steps)
    try:
        check_prompt(source, dialect)
    except PromptError as error:
        assert len(str(error)) < 600
        return
    assert isinstance(plain_text(source, dialect), str)
    assert all(mark.text for mark in marks(source, dialect))
