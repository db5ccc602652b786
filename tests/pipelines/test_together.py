from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossattn.errors import UnsupportedModelError
from crossattn.pipelines.drawn_alone import drawn_alone
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.pipelines.together import run_together

pytestmark = pytest.mark.slow

THREE = (
    {"prompt": "a red car left of a blue balloon", "seed": 5},
    {"prompt": "a dog", "negative_prompt": "grass", "seed": 6},
    {"prompt": "a cat on grass", "seed": 7},
)


def pixels(result: Result) -> np.ndarray:
    return np.asarray(result.image, dtype=int)


@pytest.mark.parametrize(
    "common",
    [
        {"guidance": 4},
        {"guidance": 1},
        {"scheduler": "euler-a"},
        {"scheduler": "dpm++", "height": 64, "width": 128},
        {"scheduler": "lcm"},
    ],
)
def test_pictures_drawn_together_are_those_drawn_alone_but_for_rounding(
    sd_folder: Path, common: dict[str, Any]
) -> None:
    recipes = [Recipe(model=str(sd_folder), steps=3, **common, **own) for own in THREE]
    for recipe, together in zip(recipes, run_together(recipes), strict=True):
        *_, alone = run(recipe)
        assert isinstance(alone, Result)
        assert np.abs(pixels(alone) - pixels(together)).max() <= 2
        assert together.recipe == alone.recipe
        assert (together.sampler, together.warnings) == (alone.sampler, alone.warnings)
        for one, other in zip(together.words, alone.words, strict=True):
            assert (one.text, one.tokens) == (other.text, other.tokens)
            assert one.mass == pytest.approx(other.mass, rel=1e-4)


def test_two_encoders_see_every_prompt(sdxl_folder: Path) -> None:
    recipes = [Recipe(model=str(sdxl_folder), steps=2, guidance=4, **own) for own in THREE]
    for recipe, together in zip(recipes, run_together(recipes), strict=True):
        *_, alone = run(recipe)
        assert isinstance(alone, Result)
        assert np.abs(pixels(alone) - pixels(together)).max() <= 2


def test_values_that_stop_being_numbers_are_told(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = [Recipe(model=str(sd_folder), steps=1, **own) for own in THREE]
    unet = load(str(sd_folder)).unet
    plain = unet.forward
    monkeypatch.setattr(unet, "forward", lambda *a, **k: (plain(*a, **k)[0] * float("nan"),))
    with pytest.raises(UnsupportedModelError, match="draw each alone"):
        run_together(recipes)


@pytest.mark.parametrize(
    ("fields", "alone"),
    [
        ({"prompt": "a cat BREAK a dog"}, False),
        ({"prompt": "a [cat|dog]"}, True),
        ({"prompt": "a cat AND a dog"}, True),
        ({"prompt": "a (cat:1.2)"}, True),
        ({"prompt": "a cat", "negative_prompt": "(dog:1.2)"}, True),
        ({"prompt": "cat++", "dialect": "a1111"}, False),
    ],
)
def test_what_changes_or_weighs_words_is_drawn_alone(fields: Any, alone: bool) -> None:
    assert drawn_alone(Recipe(**fields)) == alone


def test_prompts_of_different_length_are_drawn_together(sd_folder: Any) -> None:
    recipes = [
        Recipe(prompt=prompt, model=str(sd_folder), steps=4, guidance=4.0)
        for prompt in ("a cat BREAK a dog", "a car")
    ]
    both = run_together(recipes)
    assert [[word.text for word in one.words] for one in both] == [
        ["a", "cat", "a", "dog"],
        ["a", "car"],
    ]
