import json
import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
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
        ({"prompt": "a", "sweep": {"seed.x": [1]}, "seed": 0}, InputError, "is no object"),
        ({"prompt": "a", "seed": -1}, RecipeError, "seed must be"),
        ({"prompt": "a", "sead": 1}, RecipeError, "did you mean seed"),
        ({"prompt": "a", "axes": 3}, InputError, "axes must be an object"),
        ({"defaults": 3}, InputError, "defaults must be an object"),
        (
            {"prompt": "a", "edit": {"prompt": "b", "protect": ["cat"]}},
            WordNotFoundError,
            'no "cat"',
        ),
        ({"prompt": "a", "regions": [{"word": "b", "mask": ["#."]}]}, WordNotFoundError, 'no "b"'),
        ({"defaults": {1: "x"}}, InputError, "defaults has the key 1, which is not a text"),
        ({"prompt": "a", "axes": {2024: "good"}}, InputError, "axes has the key 2024"),
        ({"prompt": "a", "axes": {"job": 2**63}}, InputError, r"axes\.job must be .* 64 bits"),
        ({"prompt": "a", "axes": {"x": [1e999]}}, InputError, r"axes\.x must be a finite"),
        ({"prompt": "a", "axes": {"x": b"bytes"}}, InputError, r"axes\.x must be a value"),
        ({"prompt": "a", "axes": {"x": "\ud83d"}}, InputError, r"axes\.x holds half of a char"),
        ({"prompt": "a", "axes": {"\ud83d": 1}}, InputError, "axes holds half of a character"),
        ({"prompt": "a", "model": "caf\udce9"}, InputError, "model holds half of a character"),
        ({"prompt": "a", "seed": 10**400}, InputError, "seed must be a number, but has hundreds"),
        ({"prompt": "a", "seeds": f"0..{2**63 - 1}"}, InputError, "expected at most 100,000"),
        ({"prompt": "a", "seeds": f"0..{10**20 - 1}"}, InputError, "expected at most 100,000"),
        ({"prompt": "a", "seed": 7, "seeds": "0..1"}, InputError, "seed is set and swept"),
        (
            {"prompt": "a", "sweep": dict.fromkeys(("seed", "steps", "x", "y"), "0..99998")},
            InputError,
            "at most 100,000; split it",
        ),
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


def test_a_row_that_is_there_twice_is_drawn_once_and_told() -> None:
    plan = make_plan([{"prompt": "a"}, {"prompt": "a", "seed": 0}])
    assert len(plan) == 1
    assert plan.notes == ("row 2 is row 1 again; it is drawn once.",)


def test_one_picture_for_two_purposes_is_refused() -> None:
    with pytest.raises(InputError, match="row 1 and row 2 ask for the same picture"):
        make_plan([{"prompt": "a", "axes": {"for": who}} for who in ("Anna", "Bert")])


def drawn(defaults: dict[str, Any], row: dict[str, Any]) -> list[dict[str, Any]]:
    return [item.recipe.model_dump() for item in make_plan([{"defaults": defaults}, row])]


def test_an_edit_among_the_defaults_is_joined_with_that_of_a_row() -> None:
    shared = {"edit": {"cross": [0, 0.8], "words": {"dog": [0, 0.5]}}}
    (one,) = drawn(shared, {"prompt": "a cat", "edit": "a dog"})
    assert one["edit"]["prompt"] == "a dog" and one["edit"]["cross"] == (0, 0.8)
    own = {"prompt": "a dog", "cross": [0, 0.2], "words": {"a": [0, 1]}}
    (one,) = drawn(shared, {"prompt": "a cat", "edit": own})
    assert one["edit"]["cross"] == (0, 0.2)
    assert one["edit"]["words"] == {"dog": (0, 0.5), "a": (0, 1)}
    for plain in ({"prompt": "a cat"}, {"prompt": "a cat", "edit": None}):
        assert [each["edit"] for each in drawn(shared, plain)] == [None]
    swept = drawn({"sweep": {"edit.begin": [0, 0.5]}}, {"prompt": "a", "edit": "b"})
    assert [each["edit"]["begin"] for each in swept] == [0, 0.5]
    assert len(drawn({"sweep": {"edit.begin": [0, 0.5]}}, {"prompt": "a"})) == 1


@pytest.mark.parametrize(
    ("defaults", "row", "field", "values"),
    [
        ({"seeds": "0..1"}, {"seed": 7}, "seed", [7]),
        ({"seeds": "0..1"}, {"seed": None}, "seed", [0, 1]),
        ({"seed": 7}, {"seeds": "0..1"}, "seed", [0, 1]),
        ({"sweep": {"seed": [1, 2]}}, {"seeds": [3]}, "seed", [3]),
        ({"sweep": {"steps": [1, 2]}}, {"steps": 9}, "steps", [9]),
        ({"steps": 9}, {"sweep": {"steps": [1, 2]}}, "steps", [1, 2]),
        ({"zip": {"steps": [1, 2], "seed": [3, 4]}}, {"seed": 7}, "steps", [1, 2]),
        ({"zip": {"steps": [1, 2], "seed": [3, 4]}}, {"seed": 7}, "seed", [7, 7]),
        ({"weights": {"a": [1, 2]}}, {"weights": {"a": 3}}, "prompt", ["(a:3) car"]),
        ({"weights": {"a": 3}}, {"weights": {"car": 2}}, "prompt", ["(a:3) (car:2)"]),
        ({"edit": {"prompt": "a cat"}}, {"edit": None}, "edit", [None]),
    ],
)
def test_what_a_row_says_itself_wins(
    defaults: dict[str, Any], row: dict[str, Any], field: str, values: list[Any]
) -> None:
    assert [one[field] for one in drawn(defaults, {"prompt": "a car", **row})] == values


@pytest.mark.parametrize(
    ("row", "weighted"),
    [
        ({"prompt": "a lens at f 1.5", "weights": {"1.5": [2, 3]}}, "a lens at f (1.5:{}.0)"),
        ({"prompt": "a lens at f 1.5", "zip": {"weights.1.5": [2, 3]}}, "a lens at f (1.5:{}.0)"),
        ({"prompt": "st. bernard", "weights": {"st. bernard": [2, 3]}}, "(st:{0}). (bernard:{0})"),
    ],
)
def test_words_with_dots_are_swept(row: dict[str, Any], weighted: str) -> None:
    prompts = [item.recipe.prompt for item in make_plan([row])]
    assert prompts == [weighted.format(weight) for weight in (2, 3)]


def test_the_windows_of_words_with_dots_are_swept() -> None:
    row = {"prompt": "a", "edit": "st. bernard"}
    plan = make_plan([{**row, "sweep": {"edit.words.st. bernard": [[0, 0.5], [0, 1]]}}])
    words = [item.recipe.edit.words for item in plan if item.recipe.edit]
    assert words == [{"st. bernard": (0, 0.5)}, {"st. bernard": (0, 1)}]


def test_null_is_as_if_nothing_were_said_and_whole_numbers_may_have_a_point() -> None:
    nothing = dict.fromkeys(("negative_prompt", "seed", "axes", "sweep", "zip", "weights", "id"))
    (item,) = make_plan([{"prompt": "a", **nothing, "steps": 7.0}])
    assert item.recipe == Recipe(prompt="a", steps=7)
    assert [item.recipe.seed for item in make_plan([{"prompt": "a", "seeds": [1.0]}])] == [1]


def test_values_of_other_kinds_are_read_as_json_would_have_them() -> None:
    axes = {
        "day": date(2024, 1, 2),
        "at": datetime(2024, 1, 2, 3, 4),
        "price": Decimal("1.50"),
        "count": Decimal("3"),
        "number": numpy.int64(4),
        "list": (1, numpy.array([2.0])),
    }
    (item,) = make_plan([{"prompt": "a", "seed": numpy.int64(3), "axes": axes}])
    assert item.recipe.seed == 3
    assert json.loads(item.line())["axes"] == {
        "day": "2024-01-02",
        "at": "2024-01-02T03:04:00",
        "price": 1.5,
        "count": 3,
        "number": 4,
        "list": [1, [2.0]],
    }


def test_the_expanded_plan_of_long_names_is_a_plan() -> None:
    plan = make_plan([{"id": "x" * 95, "prompt": "a cat", "seeds": "0..1"}])
    again = make_plan([json.loads(item.line()) for item in plan])
    assert [item.id for item in again] == [item.id for item in plan]


def test_the_expanded_plan_is_a_plan_with_the_same_names(tmp_path: Path) -> None:
    plan = make_plan([{"prompt": "a red car", "weights": {"car": [1, 2]}, "seeds": "0..1"}])
    path = tmp_path / "plan.jsonl"
    path.write_text("".join(item.line() + "\n" for item in plan))
    again = read_plan(path)
    assert [(one.id, one.recipe, one.axes) for one in again] == [
        (one.id, one.recipe, one.axes) for one in plan
    ]
    assert json.loads(plan.items[0].line())["axes"] == {"weights.car": 1, "seed": 0}
