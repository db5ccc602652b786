import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import CrossattnError, InputError
from crossattn.pipelines.batch.json_values import load_json
from crossattn.pipelines.batch.plan import read_plan
from crossattn.pipelines.batch.rows import read_rows
from crossattn.pipelines.batch.yaml_rows import load_yaml

PROMPTS = ["a red car", "a blue car, parked"]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fields(path: Path) -> list[dict[str, Any]]:
    return [row.fields for row in read_rows(path)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.jsonl", '{"prompt": "a red car", "seed": 3}\n\n{"prompt": "a blue car, parked"}\n'),
        ("p.ndjson", '{"prompt": "a red car", "seed": 3}\r\n{"prompt": "a blue car, parked"}'),
        ("p.json", '[{"prompt": "a red car", "seed": 3}, {"prompt": "a blue car, parked"}]'),
        ("p.yaml", "- prompt: a red car\n  seed: 3\n- prompt: a blue car, parked\n"),
        ("p.yml", "rows:\n  - {prompt: a red car, seed: 3}\n  - prompt: a blue car, parked\n"),
        ("p.csv", 'prompt,seed\na red car,3\n"a blue car, parked",\n'),
        ("semi.csv", "prompt;seed\r\na red car;3\r\na blue car, parked;\r\n"),
        ("p.tsv", "prompt\tseed\na red car\t3\na blue car, parked\t\n"),
        ("bom.csv", b"\xef\xbb\xbf" + b'prompt,seed\na red car,3\n"a blue car, parked",\n'),
        (
            "bom.jsonl",
            b"\xef\xbb\xbf" + b'{"prompt":"a red car","seed":3}\n{"prompt":"a blue car, parked"}',
        ),
    ],
)
def test_every_format_says_the_same(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert fields(write(tmp_path, name, content)) == [
        {"prompt": "a red car", "seed": 3},
        {"prompt": "a blue car, parked"},
    ]


def test_parquet_is_read_without_its_empty_cells(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"prompt": PROMPTS, "seed": [3, None], "weights.car": [None, 1.5]})
    pyarrow.parquet.write_table(table, tmp_path / "p.parquet")
    assert fields(tmp_path / "p.parquet") == [
        {"prompt": PROMPTS[0], "seed": 3},
        {"prompt": PROMPTS[1], "weights": {"car": 1.5}},
    ]


def test_broken_parquet_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_rows(write(tmp_path, "p.parquet", b"PAR1 and nothing behind it"))


def test_cells_become_what_their_column_holds(tmp_path: Path) -> None:
    text = "id,prompt,negative_prompt,seeds,weights.car,guidance\n7,12,true,0..3,1.5,4\n"
    assert fields(write(tmp_path, "p.csv", text)) == [
        {
            "id": "7",
            "prompt": "12",
            "negative_prompt": "true",
            "seeds": "0..3",
            "weights": {"car": 1.5},
            "guidance": 4,
        }
    ]


def test_defaults_hold_for_the_rows_behind_them(tmp_path: Path) -> None:
    lines = [
        {"prompt": "a"},
        {"defaults": {"steps": 5}},
        {"prompt": "b"},
        {"prompt": "c", "steps": 9},
    ]
    path = write(tmp_path, "p.jsonl", "\n".join(map(json.dumps, lines)))
    assert [item.recipe.steps for item in read_plan(path)] == [None, 5, 9]
    path = write(tmp_path, "p.yaml", "defaults: {steps: 7}\nrows: [{prompt: a}]\n")
    assert [item.recipe.steps for item in read_plan(path, {"steps": 3})] == [7]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- !!python/object/apply:os.system ['true']", "line 1 has the tag"),
        ("- !!python/name:os.system", "line 1 has the tag"),
        ("- &a [x, x]\n- [*a, *a]", "line 1 has an alias or anchor"),
        ("prompt: a\nprompt: b", "'prompt' is there twice"),
        ("[" * 3000, "nested too deep"),
        ("{a: " * 3000, "nested too deep"),
        ("- [a", "is not YAML"),
        ("prompt: a\x00b", "cannot be used as YAML"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("seed: " + "9" * 5000, "cannot be used as YAML"),
        ("just words", "must be an object of recipe fields"),
        ("1: a", "must be an object of recipe fields"),
        ("rows: [{prompt: a}]\nmore: 1", "'more' too"),
    ],
)
def test_yaml_that_would_surprise_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_rows(write(tmp_path, "p.yaml", content))
    assert "\n" not in str(caught.value)
    assert "p.yaml" in str(caught.value)


@pytest.mark.parametrize("word", ["no", "yes", "off", "012", "1:30", "0x1F", "2024-01-01", "1_000"])
def test_yaml_words_stay_the_words_that_they_look_like(word: str) -> None:
    assert load_yaml(f"prompt: {word}", "p") == {"prompt": word}


def test_yaml_knows_the_values_that_json_has() -> None:
    text = "{a: true, b: null, c: ~, d: , e: -3, f: 1.5, g: 1e3, h: '5'}"
    values = load_yaml(text, "p")
    assert list(values.values()) == [True, None, None, None, -3, 1.5, 1000.0, "5"]


def test_a_number_where_a_prompt_should_be_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(CrossattnError, match=r"p\.yaml: .*prompt must be a text"):
        read_plan(write(tmp_path, "p.yaml", "prompt: true"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[" * 200_000, "line 2 is nested too deep"),
        ('{"a":' * 200_000, "line 2 is nested too deep"),
        ('{"prompt": "b", "seed": ' + "1" * 5000 + "}", "line 2 cannot be used: Exceeds the limit"),
        ('{"prompt": "b", "se', "line 2 is not JSON: Unterminated string .* mend it"),
        ('{"prompt": "b"', "line 2 is not JSON"),
        ('{"prompt": "b", "prompt": "c"}', "'prompt' is there twice"),
        ('{"prompt": "b", "guidance": NaN}', "NaN is not a number"),
        ('{"prompt": "b", "guidance": -Infinity}', "-Infinity is not a number"),
        ('"b"', "line 2 must be an object of recipe fields"),
        ("\ufeff{}", "line 2 is not JSON"),
    ],
)
def test_a_bad_line_of_json_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_rows(write(tmp_path, "p.jsonl", '{"prompt": "a"}\n' + line))
    assert len(str(caught.value)) < 300


def test_a_number_too_large_for_a_fraction_is_refused_by_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(CrossattnError, match=r"line 1: .*guidance must be a number from 0 to 50"):
        read_plan(write(tmp_path, "p.jsonl", '{"prompt": "a", "guidance": 1e999}'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompt\n" + "x" * 200_000, "field larger than field limit"),
        ("prompt,prompt\na,b\n", "'prompt' twice"),
        ("", "none"),
        ("prompt,seed\na,1,2\n", "line 2 has 3 cells for 2 columns"),
        ('prompt\n"open', "is not CSV"),
        (b"prompt\n\xff\xfe", "is not UTF-8"),
    ],
)
def test_csv_that_cannot_be_used_is_told(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_rows(write(tmp_path, "p.csv", content))


def test_a_null_character_in_a_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CrossattnError, match=r"p\.csv, line 2"):
        read_plan(write(tmp_path, "p.csv", "prompt\na\x00b\n"))


def test_a_cell_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "prompt\n=SUM(A1:A9)\n")
    assert [item.recipe.prompt for item in read_plan(path)] == ["=SUM(A1:A9)"]


@pytest.mark.parametrize("name", ["p.txt", "p", "p.jsonl.gz", "p.xlsx"])
def test_other_files_are_no_plans(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not a plan: expected a file ending in"):
        read_rows(write(tmp_path, name, "x"))


def test_a_plan_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("none.jsonl", "none.parquet"):
        with pytest.raises(InputError, match="There is no plan"):
            read_rows(tmp_path / name)


@given(st.text())
def test_whatever_is_read_as_json_or_yaml_is_a_value_or_one_sentence(text: str) -> None:
    for load in (load_json, load_yaml):
        try:
            load(text, "plan")
        except InputError as error:
            assert str(error).startswith("plan") and "\n" not in str(error)
