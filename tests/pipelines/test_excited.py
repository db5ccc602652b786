"""Words that must all be there: a field of the recipe, whatever draws it."""

from typing import Any

import numpy as np
import pytest

from crossattn.controls import AttendAndExcite
from crossattn.errors import CrossattnError
from crossattn.pipelines.drawn_alone import drawn_alone
from crossattn.pipelines.edit import Edited, edit
from crossattn.pipelines.excited import excited_words
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.words import read_prompt


def recipe(**changes: Any) -> Recipe:
    fields: dict[str, Any] = {"prompt": "a red car and a dog", "seed": 7, "steps": 2}
    return Recipe(**{**fields, "guidance": 4.0, "height": 64, "width": 64, **changes})


def drawn(asked: Recipe, pipe: Any, **more: Any) -> np.ndarray:
    *_, result = run(asked, pipe=pipe, **more)
    assert isinstance(result, Result)
    return np.asarray(result.image)


@pytest.mark.slow
def test_the_recipe_draws_as_the_control_does(sd_pipe: Any) -> None:
    by_hand = drawn(recipe(), sd_pipe, controls=[AttendAndExcite(["car", "dog"])])
    assert not np.array_equal(by_hand, drawn(recipe(), sd_pipe))
    assert np.array_equal(by_hand, drawn(recipe(excite=["car", "dog"]), sd_pipe))
    assert np.array_equal(by_hand, drawn(recipe(excite=[]), sd_pipe))
    assert drawn_alone(recipe(excite=[])) and not drawn_alone(recipe())


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a red car left of a blue balloon on green grass", "car balloon"),
        ("a dog, a dog and a small cat", "dog#1 dog#2 cat"),
        ("on grass", "grass"),
        ("and of the", ""),
    ],
)
def test_every_thing_that_is_named_is_meant_and_not_the_place(prompt: str, words: str) -> None:
    assert excited_words((), read_prompt(prompt)) == tuple(words.split())
    assert excited_words(("red",), read_prompt(prompt)) == ("red",)


@pytest.mark.slow
def test_an_edit_makes_sure_of_the_words_that_each_prompt_has(sd_pipe: Any) -> None:
    asked = recipe(excite=["car", "dog"], edit={"prompt": "a red cat and a dog"})
    *_, done = edit(asked, pipe=sd_pipe)
    assert isinstance(done, Edited)
    assert done.result.recipe.excite == asked.excite
    plain = drawn(recipe(excite=["car", "dog"]), sd_pipe)
    assert np.array_equal(np.asarray(done.source.result.image), plain)
    same = recipe(excite=["car"], edit={"prompt": "a red cat and a dog"})
    assert same.source.excite == ("car",) and same.excited_in(read_prompt("a red cat")) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompt": "[a cat:a dog:0.5]"}, "one prompt draws from beginning to end"),
        ({"prompt": "a cat AND a dog"}, "one prompt draws from beginning to end"),
        ({"prompt": "and of the"}, "the prompt has no noun"),
        ({"excite": ["boat"]}, '"boat"'),
        ({"edit": {"prompt": "a cat", "begin": 0.5}}, "leave excite or edit.begin out"),
        ({"picture": {"path": "photo.png"}}, "leave excite or picture out"),
    ],
)
def test_where_words_cannot_be_made_sure_of_it_is_told(
    sd_pipe: Any, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(CrossattnError, match=told):
        drawn(recipe(**{"excite": [], **changes}), sd_pipe)
