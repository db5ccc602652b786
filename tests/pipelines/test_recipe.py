import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import CrossattnError, PromptError, RecipeError
from crossattn.pipelines.recipe import Recipe, recipe_schema


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", " \t\n"),
        ("prompt", "\ud800"),
        ("prompt", "a" * 10_001),
        ("prompt", None),
        ("negative_prompt", 3),
        ("seed", -1),
        ("seed", 2**70),
        ("seed", 1.0),
        ("seed", True),
        ("seed", "7"),
        ("steps", 0),
        ("steps", 1001),
        ("steps", 2.5),
        ("guidance", float("nan")),
        ("guidance", float("inf")),
        ("guidance", -0.1),
        ("guidance", 1e308),
        ("height", 0),
        ("height", 100),
        ("width", 100_000),
        ("width", True),
        ("scheduler", "magic"),
        ("dtype", "int8"),
        ("device", "cuda:x"),
        ("device", "/etc/passwd"),
        ("version", 2),
        ("model", ""),
        ("versions", {"torch": 2}),
    ],
)
def test_a_field_out_of_range_is_told_in_one_sentence_that_names_it(
    field: str, value: object
) -> None:
    fields: dict[str, Any] = {"prompt": "a cat", field: value}
    with pytest.raises(RecipeError) as caught:
        Recipe(**fields)
    text = str(caught.value)
    assert f"{field} must be" in text
    assert "\n" not in text
    assert len(text) < 300


def test_a_prompt_with_a_character_that_no_model_reads_is_refused() -> None:
    with pytest.raises(PromptError):
        Recipe(prompt="a \0 cat")


def test_a_weight_that_is_no_number_of_sense_is_refused() -> None:
    with pytest.raises(PromptError):
        Recipe(prompt="a (cat:1e308)")


def test_a_missing_prompt_is_named() -> None:
    with pytest.raises(RecipeError, match="prompt is missing"):
        Recipe.model_validate({})


def test_a_misspelt_field_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RecipeError, match="did you mean guidance"):
        Recipe.model_validate({"prompt": "a cat", "guidence": 3})


def test_several_faults_are_told_together() -> None:
    with pytest.raises(RecipeError, match=r"seed must be .*; steps must be"):
        Recipe(prompt="a cat", seed=-1, steps=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[1]",
        "[" * 200_000,
        '{"prompt": "a cat", "seed": ' + "9" * 5000 + "}",
        '{"prompt": "a cat", "guidance": NaN}',
        '{"prompt": "a cat", "guidance": 1e999}',
        '{"prompt": "\\ud800"}',
    ],
)
def test_what_is_not_a_recipe_in_json_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_json(text)
    assert "\n" not in str(caught.value)


def test_a_recipe_cannot_be_changed_but_copied_with_changes() -> None:
    recipe = Recipe(prompt="a cat", seed=1)
    assert recipe.replace(seed=2) == Recipe(prompt="a cat", seed=2)
    assert recipe.seed == 1
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3  # type: ignore[misc]
    with pytest.raises(RecipeError):
        recipe.replace(seed=-1)


def test_the_schema_names_every_field_and_is_json() -> None:
    schema = json.loads(json.dumps(recipe_schema()))
    assert set(schema["properties"]) == set(Recipe.model_fields)
    assert schema["required"] == ["prompt"]
    assert schema["additionalProperties"] is False


@given(
    prompt=st.text(max_size=200),
    seed=st.integers(-5, 2**64),
    guidance=st.floats(),
    height=st.none() | st.integers(-8, 4096),
)
def test_any_recipe_is_refused_or_comes_back_from_json_as_it_was(
    prompt: str, seed: int, guidance: float, height: int | None
) -> None:
    try:
        recipe = Recipe(prompt=prompt, seed=seed, guidance=guidance, height=height)
    except CrossattnError:
        return
    assert Recipe.from_json(recipe.to_json()) == recipe
