"""Dynamic prompts stand for the prompts that their notation says, and say what was chosen."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.errors import InputError
from crossattn.pipelines.dynamic import DynamicPrompt


def said(text: str, wildcards: Path | None = None) -> list[str]:
    prompt = DynamicPrompt(text, wildcards)
    prompts = [one.prompt for one in prompt.all()]
    assert prompt.count == len(prompts)
    return prompts


@pytest.fixture
def wildcards(tmp_path: Path) -> Path:
    (tmp_path / "colours").mkdir()
    (tmp_path / "colours" / "warm.txt").write_text("red\n# a comment\n\norange\n", "utf-8")
    (tmp_path / "colours" / "cold.txt").write_text("blue\n", "utf-8")
    (tmp_path / "thing.txt").write_text("{small|big} car\n3::dog\n", "utf-8")
    (tmp_path / "loop.txt").write_text("a __loop__\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a cat", ["a cat"]),
        ("a {red|blue} car", ["a red car", "a blue car"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("a {red|{light|dark} blue}", ["a red", "a light blue", "a dark blue"]),
        ("a{| red} car", ["a car", "a red car"]),
        ("{2$$a|b|c}", ["a, b", "a, c", "b, c"]),
        ("{1-2$$a|b}", ["a", "b", "a, b"]),
        ("{2$$ and $$a|b|{c|d}}", ["a and b", "a and c", "a and d", "b and c", "b and d"]),
        ("{-1$$a|b}", ["", "a", "b"]),
        ("{1-$$a|b}", ["a", "b", "a, b"]),
        ("{3::red|0.5::blue}", ["red", "blue"]),
        ("${v={a|b}}${v} ${v}", ["a a", "a b", "b a", "b b"]),
        ("${v=!{a|b}}${v} ${v}", ["a a", "b b"]),
        ("${v:a cat} {c|d}", ["a cat c", "a cat d"]),
        (r"a \{red|blue\} (cat:1.3) [a:b:0.3]", [r"a \{red|blue\} (cat:1.3) [a:b:0.3]"]),
    ],
)
def test_a_text_stands_for_these_prompts(text: str, prompts: list[str]) -> None:
    assert said(text) == prompts


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a __colours/warm__ car", ["a red car", "a orange car"]),
        ("__colours/*__", ["blue", "red", "orange"]),
        ("a __thing__", ["a small car", "a big car", "a dog"]),
    ],
)
def test_wildcards_are_lines_of_files(text: str, prompts: list[str], wildcards: Path) -> None:
    assert said(text, wildcards) == prompts


def test_each_prompt_says_what_was_chosen() -> None:
    first, *_ = DynamicPrompt("a {red|{light|dark} blue} {car|boat}").all()
    assert first.chosen == (("{red|{light|dark} blue}", "red"), ("{car|boat}", "car"))


def test_chance_is_the_same_for_a_seed_and_weights_count() -> None:
    prompt = DynamicPrompt("{9::red|blue|0::green} {1-2$$a|b|c}")
    drawn = [one.prompt for one in prompt.some(400, seed=3)]
    assert drawn == [one.prompt for one in prompt.some(400, seed=3)]
    assert drawn != [one.prompt for one in prompt.some(400, seed=4)]
    red = sum(one.startswith("red") for one in drawn)
    assert 330 < red < 390
    assert not any("green" in one for one in drawn)
    assert set(drawn) <= {one.prompt for one in prompt.all()}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a {red|blue", "a { without a }"),
        ("a red} car", "a } without a {"),
        ("{3$$a|b}", "has 2 texts to choose from, so 3 to 3"),
        ("{2-1$$a|b}", "so 2 to 1"),
        ("{0::a|0::b}", "weights above 0"),
        ("__colour__", "give the folder of wildcards"),
        ("${v}", "has no value"),
        ("${v={a|b}", "close it"),
        ("{a|b}" * 25, "33,554,432 prompts, more than 1,000,000"),
        ("{" * 40 + "a" + "}" * 40, "more than 30 deep"),
        ("${v=${v}}${v}", "leads back to itself"),
    ],
)
def test_what_cannot_be_expanded_is_told_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        list(DynamicPrompt(text).all())
    assert sentence in str(raised.value)


def test_wildcards_stay_in_their_folder_and_end(wildcards: Path) -> None:
    (wildcards / "inner").mkdir()
    for name, sentence in (
        ("loop", "back to itself"),
        ("../thing", "no lines"),
        ("none", "no lines"),
    ):
        with pytest.raises(InputError, match=sentence):
            DynamicPrompt(f"__{name}__", wildcards / "inner" if ".." in name else wildcards)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["{", "}", "|", "$$", "2", "-", "a", "::", "${", "v", "=", "!", "__", "\\"]
        ),
        max_size=25,
    ).map("".join)
)
def test_any_text_is_expanded_as_counted_or_refused(text: str) -> None:
    try:
        prompt = DynamicPrompt(text)
        count = prompt.count
        prompts = list(prompt.all()) if count < 500 else []
        drawn = list(prompt.some(2))
    except InputError:
        return
    assert count >= 500 or len(prompts) == count
    assert len(drawn) == 2
