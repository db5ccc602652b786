import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fake_drawing import tree
from PIL import Image, ImageChops

from crossattn.pipelines.batch import ModelRenderer, make_plan, run_batch
from crossattn.pipelines.batch.grouping import MOST_AT_ONCE, MOST_TOGETHER, grouped
from crossattn.pipelines.batch.render import attempts
from crossattn.pipelines.run import Result, run

pytestmark = pytest.mark.slow

COMMON = {"prompt": "a red car on grass", "steps": 3, "seed": 5}
EDITS = [
    {**COMMON, "edit": "a red dog on grass"},
    {**COMMON, "edit": {"prompt": "a red cat on grass", "cross": [0, 0.4], "blend": []}},
    {**COMMON, "edit": "a red car on grass", "weights": {"car": 2.0}},
    COMMON,
]


def pictures(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name.endswith(".png")}


@pytest.fixture
def rows(sd_folder: Path) -> list[dict[str, Any]]:
    return [{"defaults": {"model": str(sd_folder)}}, *EDITS]


def test_edits_together_are_the_pictures_that_they_are_apart(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    results = list(run_batch(rows, output=tmp_path / "together"))
    assert [result.error for result in results] == [None] * 4
    for row in rows[1:]:
        list(run_batch([rows[0], row], output=tmp_path / "apart" / str(rows.index(row))))
    apart: dict[str, bytes] = {}
    for folder in (tmp_path / "apart").iterdir():
        apart |= pictures(folder)
    assert pictures(tmp_path / "together") == apart
    assert len([name for name in apart if name.startswith("pictures")]) == 4
    # Edits blend unless told, so each has a mask.
    assert len([name for name in apart if name.startswith("masks")]) == 2


def test_edits_in_a_batch_are_the_pictures_that_they_are_alone(
    rows: list[dict[str, Any]],
) -> None:
    for result in run_batch(rows):
        *_, alone = run(result.item.recipe)
        assert isinstance(alone, Result)
        assert alone.image.tobytes() == result.image.tobytes()


def test_what_an_edit_did_is_told(rows: list[dict[str, Any]]) -> None:
    dog, cat, weighted, plain = run_batch(rows)
    assert dog.record["edit"]["mode"] == "replace"
    assert {one["text"]: one["source"] for one in dog.record["edit"]["words"]}["dog"] == ("car",)
    assert cat.record["edit"]["inside"] is not None
    assert weighted.item.recipe.edit.prompt == "a red (car:2) on grass"
    assert "edit" not in plain.record


def test_the_table_says_what_each_edit_did(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow.parquet

    made = list(run_batch(rows, output=tmp_path / "out", trace=True))
    dog, cat, _, plain = pyarrow.parquet.read_table(tmp_path / "out/results.parquet").to_pylist()
    assert dog["report.changed"] == made[0].record["edit"]["changed"]
    assert json.loads(dog["report.unmatched"]) == list(made[0].record["edit"]["unmatched"])
    assert json.loads(dog["report.touched"])[0]["control"] == "Replace"
    assert {one["text"]: one["source"] for one in json.loads(cat["report.words"])}["cat"] == ["car"]
    assert plain["report.changed"] is None and plain["mask"] is None
    for name in (dog["picture"], dog["mask"], dog["trace"], plain["trace"]):
        assert (tmp_path / "out" / name).is_file()


def test_edits_of_one_picture_come_together_and_with_it() -> None:
    other = {"prompt": "a dog", "seeds": "0..2"}
    groups = grouped(make_plan([EDITS[0], other, *EDITS[1:]]))
    assert [len(group) for group in groups] == [4, 1, 1, 1]
    assert {item.recipe.prompt for item in groups[0]} == {COMMON["prompt"]}


def test_many_edits_of_one_picture_are_shared_out() -> None:
    row = {**COMMON, "edit": "a red dog on grass", "weights": {"dog": [n / 10 for n in range(40)]}}
    groups = grouped(make_plan([row]))
    assert [len(group) for group in groups] == [MOST_TOGETHER, MOST_TOGETHER, 8]


def test_models_and_shapes_come_together() -> None:
    rows = [
        {"prompt": "a", "zip": {"seed": [1, 2, 3, 4], "steps": [5, 9, 5, 9]}},
        {"prompt": "a", "model": "other", "seeds": "1..2"},
        {"prompt": "b", "seed": 7, "steps": 5},
    ]
    order = [(item.recipe.model, item.recipe.steps) for [item] in grouped(make_plan(rows))]
    assert order == [("emoji-sd", 5)] * 3 + [("emoji-sd", 9)] * 2 + [("other", None)] * 2


def test_a_device_that_gains_by_it_is_given_several_pictures_of_one_shape() -> None:
    rows = [
        {"defaults": {"device": "cuda"}},
        {"prompt": "a car", "seeds": f"1..{MOST_AT_ONCE + 1}"},
        {"prompt": "a (car:2)", "seeds": "1..2"},
        {"prompt": "a dog"},
        {"prompt": "a dog", "guidance": 1},
        {**COMMON, "edit": "a red dog on grass"},
    ]
    groups = grouped(make_plan(rows))
    assert [len(group) for group in groups] == [MOST_AT_ONCE, 2, 1, 1, 1, 1]
    assert [item.recipe.prompt for item in groups[1]] == ["a car", "a dog"]
    rows[0] = {"defaults": {"device": "cpu"}}
    assert {len(group) for group in grouped(make_plan(rows))} == {1}


def test_pictures_drawn_at_once_are_those_drawn_alone_but_for_rounding(sd_folder: Path) -> None:
    plan = make_plan(
        [{"prompt": "a red car", "seeds": "0..2", "steps": 2, "model": str(sd_folder)}]
    )
    made = [one.rendering for one in attempts(ModelRenderer(), plan.items)]
    assert len({one.facts["seconds"] for one in made if one}) == 1
    for one, alone in zip(made, run_batch(plan), strict=True):
        assert one
        pixels = Image.open(BytesIO(one.files["picture.png"]))
        apart = ImageChops.difference(pixels, alone.image)
        assert max(most for _, most in apart.getextrema()) <= 2
        assert one.facts["recipe"] == alone.record["recipe"]


def test_pictures_that_cannot_be_drawn_at_once_are_drawn_alone(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(recipes: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("crossattn.pipelines.together.run_together", full)
    plan = make_plan(
        [{"prompt": "a red car", "seeds": "0..2", "steps": 1, "model": str(sd_folder)}]
    )
    first, *others = attempts(ModelRenderer(), plan.items)
    assert first.error.startswith("MemoryError")
    assert all(one.rendering for one in others)
