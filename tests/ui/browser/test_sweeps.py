import pytest

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.sweeps import swept

RECIPE = Recipe(prompt="a small cat in (heavy:1.2) snow", seed=7)


def test_a_word_goes_from_weak_to_strong_and_the_others_keep_their_weights() -> None:
    row = list(swept(RECIPE, {"word": 5, "weights": [0, 2.5]}))
    assert [(label, one.prompt) for label, one in row] == [
        ("0", "a small cat in (heavy:1.2) (snow:0)"),
        ("2.5", "a small cat in (heavy:1.2) (snow:2.5)"),
    ]


def test_other_seeds_follow_the_one_that_is_set() -> None:
    assert [one.seed for _, one in swept(RECIPE, {"seeds": 4})] == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"seeds": 99}, "1 to 8 pictures, but 99 are asked"),
        ({}, "1 to 8 pictures, but 0 are asked"),
        ({"word": 6, "weights": [1]}, "has 6 words, and none at 7"),
    ],
)
def test_bounds_hold(asked: dict[str, object], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        list(swept(RECIPE, asked))
