import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import CrossattnError, InputError, PromptError, RecipeError, WordNotFoundError
from crossattn.pipelines.batch import make_plan, read_plan
from crossattn.pipelines.recipe import Recipe


def points(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [item.axes for item in make_plan([row])]


def test_seeds_run_from_first_to_last() -> None:
    plan = make_plan([{"prompt": "a car", "seeds": "0..7"}])
    assert [item.recipe.seed for item in plan] == list(range(8))
    assert [item.axes["seed"] for item in plan] == list(range(8))
    assert [item.recipe.seed for item in make_plan([{"prompt": "a", "seeds": [5, 2]}])] == [5, 2]


def test_a_pictures_name_is_made_of_its_words_alone() -> None:
    names = [item.id for item in make_plan([{"prompt": "a (red:1.5) car", "seeds": "3..4"}])]
    assert [name.rpartition("-")[0] for name in names] == ["a-red-car-seed3", "a-red-car-seed4"]


def test_weights_are_written_into_the_prompt() -> None:
    plan = make_plan([{"prompt": "a red car", "weights": {"car": [0.5, 1, 2]}}])
    assert [item.recipe.prompt for item in plan] == [
        "a red (car:0.5)",
        "a red car",
        "a red (car:2)",
    ]
    plan = make_plan([{"prompt": "a cat and a cat", "weights": {"cat": 1.5, "and": [1, 2]}}])
    assert [item.recipe.prompt for item in plan] == [
        "a (cat:1.5) and a (cat:1.5)",
        "a (cat:1.5) (and:2) a (cat:1.5)",
    ]
    plan = make_plan([{"prompt": "a red car", "weights": {"red car": 1.5}}])
    assert [item.recipe.prompt for item in plan] == ["a (red:1.5) (car:1.5)"]


def test_a_grid_takes_every_pair_and_a_zip_the_first_with_the_first() -> None:
    assert points({"prompt": "a", "sweep": {"steps": [10, 20], "guidance": [1, 2]}}) == [
        {"steps": 10, "guidance": 1},
        {"steps": 10, "guidance": 2},
        {"steps": 20, "guidance": 1},
        {"steps": 20, "guidance": 2},
    ]
    assert points({"zip": {"prompt": ["a cat", "a dog"], "seed": [3, 8]}}) == [
        {"prompt": "a cat", "seed": 3},
        {"prompt": "a dog", "seed": 8},
    ]
    swept = {
        "prompt": "a car",
        "zip": {"weights.car": [1.5, 2], "seed": [3, 8]},
        "sweep": {"steps": [4, 5]},
    }
    assert len(points(swept)) == 4


@pytest.mark.parametrize(
    ("row", "kind", "message"),
    [
        ({"prompt": "a", "zip": {"seed": [1, 2], "steps": [1]}}, InputError, "equally long"),
        ({"prompt": "a", "seeds": 3}, InputError, "seeds must be a list of values, or a range"),
        ({"prompt": "a", "seeds": []}, InputError, "seeds must be a list"),
        ({"prompt": "a", "seeds": "7..0"}, InputError, "seeds must be a list"),
        ({"prompt": "a", "sweep": ["seed"]}, InputError, "sweep must be an object"),
        ({"prompt": "a", "weights": [1]}, InputError, "weights must be an object"),
        ({"prompt": "a", "weights": {"a": "heavy"}}, InputError, "must be a number"),
        ({"prompt": "a", "weights": {"a": True}}, InputError, "must be a number"),
        ({"prompt": "a", "weights": {"a": 1e308}}, PromptError, "A weight lies between"),
        ({"prompt": "a", "weights": {"a": float("nan")}}, PromptError, "A weight lies between"),
        ({"prompt": "a", "weights": {"cat": 2}}, WordNotFoundError, 'no "cat"'),
        ({"weights": {"cat": 2}}, InputError, "there is no prompt"),
        ({"prompt": "a", "seeds": "0..1", "sweep": {"seed": [1]}}, InputError, "swept twice"),
        ({"prompt": "a", "seeds": "0..99999999999"}, InputError, "at most 100,000; split it"),
        ({"prompt": "a", "sweep": {"prompt.x": [1]}}, InputError, "is no object"),
        ({"prompt": "a", "seed": -1}, RecipeError, "seed must be"),
        ({"prompt": "a", "sead": 1}, RecipeError, "did you mean seed"),
        ({"prompt": "a", "axes": 3}, InputError, "axes must be an object"),
        ({"defaults": 3}, InputError, "defaults must be an object"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    row: dict[str, Any], kind: type[CrossattnError], message: str
) -> None:
    with pytest.raises(kind, match=f"^row 2: .*{message}"):
        make_plan([{"prompt": "fine"}, row])


def test_a_plan_without_pictures_is_refused() -> None:
    for rows in ([], [{"defaults": {"seed": 1}}]):
        with pytest.raises(InputError, match="The plan has no rows"):
            make_plan(rows)


def test_names_stay_when_rows_move_and_when_defaults_are_written_out() -> None:
    rows = [{"prompt": "a red car", "seed": 3}, Recipe(prompt="a dog"), {"prompt": "a cat"}]
    names = {item.id for item in make_plan(rows)}
    written_out = [{"prompt": "a cat", "seed": 0, "guidance": None}, *rows[:2], {"prompt": "a hen"}]
    assert names < {item.id for item in make_plan(written_out)}
    assert any(re.fullmatch(r"a-red-car-seed3-[0-9a-f]{12}", name) for name in names)


def test_a_name_of_ones_own_is_kept_and_told_apart_in_a_sweep() -> None:
    assert make_plan([{"id": "hero", "prompt": "a"}]).items[0].id == "hero"
    swept = make_plan([{"id": "hero", "prompt": "a", "seeds": "0..1"}])
    assert all(re.fullmatch(r"hero-[0-9a-f]{12}", item.id) for item in swept)


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/x",
        "CON",
        "con.png",
        "lpt1",
        "a" * 300,
        "",
        ".",
        "..",
        ".x",
        "a.",
        "a b",
        7,
        "a/b",
        "a\\b",
        "a\x00b",
        "ä",
        "a\n",
    ],
)
def test_a_name_that_is_no_file_name_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="row 1: An id names files"):
        make_plan([{"id": name, "prompt": "a"}])


@given(st.text())
def test_whatever_the_name_it_stays_in_its_folder(name: str) -> None:
    try:
        made = make_plan([{"id": name, "prompt": "a"}]).items[0].id
    except InputError:
        return
    assert (Path("/out") / f"{made}.png").resolve().parent == Path("/out")


def test_two_names_that_some_systems_take_for_one_are_refused() -> None:
    with pytest.raises(InputError, match="row 1 and row 2 have the ids 'Car' and 'car'"):
        make_plan([{"id": "Car", "prompt": "a"}, {"id": "car", "prompt": "b"}])


def test_a_picture_asked_for_twice_is_refused() -> None:
    with pytest.raises(InputError, match="row 1 and row 2 ask for the same picture"):
        make_plan([{"prompt": "a"}, {"prompt": "a", "seed": 0}])


def test_the_expanded_plan_is_a_plan_with_the_same_names(tmp_path: Path) -> None:
    plan = make_plan([{"prompt": "a red car", "weights": {"car": [1, 2]}, "seeds": "0..1"}])
    path = tmp_path / "plan.jsonl"
    path.write_text("".join(item.line() + "\n" for item in plan))
    again = read_plan(path)
    assert [(one.id, one.recipe, one.axes) for one in again] == [
        (one.id, one.recipe, one.axes) for one in plan
    ]
    assert json.loads(plan.items[0].line())["axes"] == {"weights.car": 1, "seed": 0}
