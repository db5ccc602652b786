"""The vocabulary: what the model knows, and what it says of other words."""

import subprocess
import sys

import pytest

from crossattn.pipelines.emoji_sd import unknown_words, words


def test_words_of_the_captions_are_known() -> None:
    assert unknown_words("A big RED car, left of a small balloon!") == {}


@pytest.mark.parametrize(
    ("typed", "meant"), [("baloon", "balloon"), ("umbrela", "umbrella"), ("turqoise", "turquoise")]
)
def test_a_misspelt_word_is_named_with_the_nearest_known_one(typed: str, meant: str) -> None:
    assert unknown_words(f"a big {typed} at night")[typed][0] == meant


def test_a_strange_word_has_no_near_ones() -> None:
    assert unknown_words("a qqqq") == {"qqqq": []}


def test_words_are_sorted_and_few() -> None:
    assert list(words()) == sorted(set(words()))
    assert 80 < len(words()) < 200


def test_asking_for_the_vocabulary_loads_nothing_of_the_training() -> None:
    code = (
        "import sys, crossattn.pipelines.emoji_sd;"
        "sys.exit(any(f'emoji_sd.{m}' in n for n in sys.modules for m in ('denoiser', 'judge')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_emoji_is_no_word_and_is_named_with_its_noun() -> None:
    assert unknown_words("a ☂️ and a 🚗, left of a 🦄") == {
        "☂": ["umbrella"],
        "🚗": ["car"],
        "🦄": [],
    }
