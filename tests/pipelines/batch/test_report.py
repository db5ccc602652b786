import json
from pathlib import Path
from typing import Any

import pytest
from fake_drawing import Drawing
from pyarrow.parquet import read_table

from crossattn.pipelines.batch import make_plan, run_batch
from crossattn.pipelines.batch.plan import full_fields
from crossattn.pipelines.batch.report import axis_columns, table_rows

ROWS = [
    {"prompt": "a red car", "seeds": "0..2", "weights": {"car": [0.5, 1]}},
    {"prompt": "it fails </script><img src=x>", "seed": 7},
]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    drawing = Drawing(tmp_path / "log")
    assert len(list(run_batch(ROWS, output=tmp_path / "out", render=drawing))) == 7
    return tmp_path / "out"


def page_data(out: Path) -> dict[str, Any]:
    text = (out / "index.html").read_text()
    start = text.index('id="data">') + len('id="data">')
    data: dict[str, Any] = json.loads(text[start : text.index("</script>", start)])
    return data


def test_the_table_has_a_row_for_each_picture_with_its_recipe_and_its_words(out: Path) -> None:
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(out / "results.parquet").to_pylist()
    assert [(row["seed"], row["axis.weights.car"]) for row in rows] == [
        *((seed, weight) for weight in (0.5, 1.0) for seed in range(3)),
        (7, None),
    ]
    first, *_, failed = rows
    assert first["prompt"] == "a red (car:0.5)"
    assert first["picture"] == f"pictures/{first['id']}.png"
    assert (out / first["picture"]).is_file()
    assert first["seconds"] == 0.25
    assert first["words"][0] == {"word": "a", "occurrence": 1, "cover": 0.25}
    assert (failed["status"], failed["error"]) == ("failed", "ValueError: the brush broke")
    assert failed["picture"] is None


def test_a_swept_field_has_its_own_column_where_weights_are_written_into_it(tmp_path: Path) -> None:
    rows = [{"sweep": {"prompt": ["a car", "a dog"], "steps": [2, 3]}, "weights": {"a": [1, 2]}}]
    assert axis_columns(make_plan(rows)) == {
        "prompt": "axis.prompt",
        "steps": "steps",
        "weights.a": "axis.weights.a",
    }
    edits = {"prompt": "a car", "edit": {}, "sweep": {"edit.prompt": ["a dog", "a cat"]}}
    assert axis_columns(make_plan([edits])) == {"edit.prompt": "edit.prompt"}


def test_an_edit_names_the_picture_it_starts_from_where_the_batch_has_it() -> None:
    edit = {"prompt": "a blue car", "blend": None}
    plan = make_plan(
        [
            {"prompt": "a red car", "id": "edit-first", "edit": edit},
            {"prompt": "a red car", "id": "source", "steps": 25},
            {"prompt": "a red car", "id": "again", "steps": 25},
            {"prompt": "a red car", "id": "other-seed", "seed": 1, "edit": edit},
            {"prompt": "a cat", "id": "broken"},
            {"prompt": "a cat", "id": "of-broken", "edit": edit},
            {"prompt": "a cat", "id": "not-made", "edit": edit, "seed": 3},
        ]
    )
    records: dict[str, Any] = {
        item.id: {
            "status": "done",
            "files": {"picture.png": f"pictures/{item.id}.png"},
            "recipe": {**full_fields(item.recipe), "steps": 25},
        }
        for item in plan.items[:-1]
    }
    records["broken"] = {"status": "failed", "error": "no brush"}
    sources = {row["id"]: row["source"] for row in table_rows(plan, records)}
    assert sources.pop("edit-first") == "pictures/source.png"
    assert set(sources.values()) == {None}


def test_the_page_knows_the_axes_and_tells_once_what_all_share(out: Path) -> None:
    data = page_data(out)
    assert data["axes"] == ["axis.weights.car", "seed"]
    assert data["shared"]["model"] == "emoji-sd"
    assert "seed" in data["fields"] and "model" not in data["fields"]
    assert len(data["rows"]) == 7
    assert data["rows"][0]["words"] == [["a", 0.25], ["red", 0.25], ["(car:0.5)", 0.25]]


def test_the_page_is_whole_asks_nobody_and_lets_no_prompt_out(out: Path) -> None:
    text = (out / "index.html").read_text()
    assert "[[" not in text.replace('[["', "")
    assert "</script><img" not in text
    assert page_data(out)["rows"][6]["of"].count("it fails </script><img src=x>") == 1
    assert not any(word in text for word in ("http://", "https://", "//cdn", "@import"))
    assert "default-src 'none'" in text


def test_columns_of_several_kinds_become_text(tmp_path: Path) -> None:
    import pyarrow.parquet

    (tmp_path / "log").mkdir()
    rows = [
        {"prompt": "a", "axes": {"kind": 1, "share": 1}},
        {"prompt": "b", "axes": {"kind": "two", "share": 0.5}},
        {"prompt": "c", "axes": {"place": [1, 2]}},
    ]
    list(run_batch(rows, output=tmp_path / "out", render=Drawing(tmp_path / "log")))
    table = pyarrow.parquet.read_table(tmp_path / "out/results.parquet").to_pydict()
    assert table["axis.kind"] == ["1", "two", None]
    assert table["axis.share"] == [1.0, 0.5, None]
    assert table["axis.place"] == [None, None, "[1, 2]"]


def test_without_pyarrow_everything_but_the_table_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossattn.pipelines.batch.report.has_pyarrow", lambda: False)
    (tmp_path / "log").mkdir()
    list(run_batch(ROWS, output=tmp_path / "out", render=Drawing(tmp_path / "log")))
    assert (tmp_path / "out/index.html").is_file()
    assert not (tmp_path / "out/results.parquet").exists()


def test_axes_never_take_the_place_of_the_tables_own_columns(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    axes = {"status": None, "picture": None, "error": "x", "words": 3, "report.changed": 1, "id": 7}
    rows = [{"prompt": "a", "axes": axes}, {"prompt": "b"}]
    list(run_batch(rows, output=tmp_path / "out", render=Drawing(tmp_path / "log")))
    data = page_data(tmp_path / "out")
    assert all(row["picture"] for row in data["rows"])
    table = read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert [row["status"] for row in table] == ["done", "done"]
    assert [row["axis.words"] for row in table] == [3, None]
