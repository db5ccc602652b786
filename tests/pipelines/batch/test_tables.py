import json
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crossattn.errors import InputError
from crossattn.pipelines.batch.plan import read_plan
from crossattn.pipelines.recipe import Recipe


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content)
    return folder / name


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\nprompt;seed\r\na cat;1\r\n",
        "prompt,seed,,\na cat,1,,\n,,,\n",
        "prompt,seed\na cat,1,,,\n",
        "Prompt,Seed\na cat,1\n",
        ",prompt,seed\n0,a cat,1\n",
        "Unnamed: 0,prompt,seed\n0,a cat,1\n",
        "prompt,seed,Negative Prompt\na cat,1.0,\n",
        "prompt,seed,guidance\na cat,1,NaN\n",
    ],
)
def test_what_spreadsheets_and_pandas_add_is_no_hindrance(tmp_path: Path, text: str) -> None:
    (item,) = read_plan(write(tmp_path, "p.csv", text))
    assert item.recipe == Recipe(prompt="a cat", seed=1)
    assert item.where == ("p.csv, line 3" if text.startswith("sep") else "p.csv, line 2")


def test_columns_of_ones_own_are_carried_along(tmp_path: Path) -> None:
    text = "prompt,author,shelf mark,axes.score\na cat,Anna,007,0.5\na dog,,[draft],NaN\n"
    assert [item.axes for item in read_plan(write(tmp_path, "p.csv", text))] == [
        {"author": "Anna", "shelf mark": "007", "score": 0.5},
        {"shelf mark": "[draft]"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt,sead\na,1\n", "'sead', which is not a field .did you mean seed"),
        ("prompt,cfg scale\na,1\n", "did you mean guidance"),
        ("prompt,camera.lens\na,1\n", "put axes. before it to carry it along"),
        ("prompt,\na,b\n", "a column without a name that holds 'b'"),
        ("prompt,Prompt\na,b\n", "'prompt' twice"),
        ("prompt,edit,edit.cross\na,b,\n", "'edit' beside 'edit.cross'"),
        ("prompt,edit.cross,edit\na,,b\n", "'edit' beside 'edit.cross'"),
        ('prompt,edit\na,"{""prompt"": ""b"", ""prompt"": ""c""}"\n', "line 2: .* is there twice"),
        ('prompt,edit.cross\na,"[0, NaN]"\n', "line 2: .*NaN is not a number"),
    ],
)
def test_columns_and_cells_that_cannot_be_meant_are_named(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_plan(write(tmp_path, "p.csv", text))


@pytest.mark.parametrize("cell", ["null", "42", "true"])
def test_the_column_of_edits_holds_text(tmp_path: Path, cell: str) -> None:
    (item,) = read_plan(write(tmp_path, "p.csv", f"prompt,edit\na cat,{cell}\n"))
    assert item.recipe.edit and item.recipe.edit.prompt == cell


def test_words_with_dots_are_columns(tmp_path: Path) -> None:
    text = 'prompt,edit.prompt,edit.words.st. bernard,weights.1.5\na,st. bernard f 1.5,"[0,1]",2\n'
    (item,) = read_plan(write(tmp_path, "p.csv", text))
    assert item.recipe.edit and item.recipe.edit.prompt == "st. bernard f (1.5:2.0)"
    assert item.recipe.edit.words == {"st. bernard": (0, 1)}


def parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow
    import pyarrow.parquet

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "p.parquet")
    return folder / "p.parquet"


def test_parquet_says_what_the_same_rows_say_as_json(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "a cat", "edit": {"prompt": "a dog"}, "axes": {"score": 0.5}},
        {"prompt": "a cat", "edit": {"prompt": "a fox", "cross": [0.0, 0.5]}},
        {"prompt": "a red cat", "weights": {"cat": 2.0}, "sweep": {"steps": [3, 4]}},
        {"prompt": "a dog", "weights": {"dog": 2.0}, "seed": 4},
    ]
    lines = "\n".join(map(json.dumps, rows))
    plans = [
        read_plan(path) for path in (parquet(tmp_path, rows), write(tmp_path, "p.jsonl", lines))
    ]
    tables, texts = ([(item.id, item.recipe, item.axes) for item in plan] for plan in plans)
    assert tables == texts


def test_what_only_parquet_has_becomes_what_json_has(tmp_path: Path) -> None:
    values = {"day": date(2024, 1, 2), "price": Decimal("1.50"), "score": float("nan")}
    (item,) = read_plan(parquet(tmp_path, [{"prompt": "a", "axes": values, "seed": 3.0}]))
    assert item.axes == {"day": "2024-01-02", "price": 1.5}
    with pytest.raises(InputError, match=r"p\.parquet, row 1: axes\.raw must be a value that JSON"):
        read_plan(parquet(tmp_path, [{"prompt": "a", "axes": {"raw": b"x"}}]))
    with pytest.raises(InputError, match=r"'edit' beside 'edit.cross'"):
        read_plan(parquet(tmp_path, [{"prompt": "a", "edit.cross": [0.0, 1.0], "edit": "b"}]))


def test_a_plan_whose_name_is_no_text_is_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl"))
    path.write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    assert [item.where.encode().decode() for item in read_plan(path)][1].endswith("line 2")
