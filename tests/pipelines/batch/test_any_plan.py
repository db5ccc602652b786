"""Whatever a plan holds, in whatever format: pictures to draw, or one sentence before the work."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import CrossattnError
from crossattn.pipelines.batch import Plan, make_plan, read_plan
from crossattn.pipelines.batch.contact_page import contact_page
from crossattn.pipelines.batch.report import axis_columns, parquet, table_rows
from crossattn.pipelines.recipe import Recipe

pytestmark = pytest.mark.slow

PROMPTS = ["a cat", "a (red:1.5) dog", "st. bernard f 1.5", "(((", "\ud83d", "", "NaN", "a\0b"]
NAMES = [
    *Recipe.model_fields,
    *("sweep", "zip", "weights", "seeds", "id", "axes", "defaults", "rows"),
    *("edit.prompt", "edit.cross", "edit.words.cat", "weights.1.5", "axes.status", "sweep.seed"),
    *("cross", "words", "word", "mask", "cat", "status", "picture", "Seed", "sead", ""),
]
names = st.sampled_from(NAMES) | st.text(max_size=3)
numbers = st.integers(-2, 9) | st.integers() | st.floats() | st.sampled_from([2**63, 10**400])
texts = st.sampled_from([*PROMPTS, "0..3", "7..0", f"0..{2**63 - 1}"]) | st.text(max_size=5)
leaves = st.none() | st.booleans() | numbers | texts | st.dates()
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(names, values, max_size=3)
# Mostly sound, so that what lies behind the first check is reached as well.
sound = st.fixed_dictionaries(
    {"prompt": st.sampled_from(PROMPTS[:3])},
    optional={
        "edit": st.sampled_from(PROMPTS[:3]) | st.fixed_dictionaries({"cross": values}),
        "seeds": st.sampled_from(["0..2", [3, 1.0], [True]]),
        "sweep": st.dictionaries(names, st.lists(values, max_size=2), max_size=2),
        "zip": st.dictionaries(names, st.lists(values, max_size=2), max_size=2),
        "weights": st.dictionaries(st.sampled_from(["cat", "1.5", "a"]), values, max_size=2),
        "axes": st.dictionaries(names, values, max_size=2),
        "defaults": fields,
    },
)
rows = st.lists(sound | fields | st.builds(lambda *two: two[0] | two[1], sound, fields), max_size=3)


def planned(make: Any, *given: Any) -> Plan | None:
    try:
        plan: Plan = make(*given)
    except CrossattnError as error:
        assert str(error).strip() and len(str(error)) < 1500
        str(error).encode(errors="strict")
        return None
    return plan


def check(plan: Plan | None) -> None:
    """A plan can be written, read again, and shown."""
    if plan is None:
        return
    again = make_plan([json.loads(item.line().encode()) for item in plan])
    assert [(one.id, one.recipe) for one in again] == [(one.id, one.recipe) for one in plan]
    assert [one.axes for one in again] == [one.axes for one in plan]
    table = list(table_rows(plan, {}))
    assert contact_page("fuzz", table, list(axis_columns(plan).values()))
    assert parquet(table)


@given(rows)
def test_rows_of_a_script(given: list[dict[str, Any]]) -> None:
    check(planned(make_plan, given))


def from_file(name: str, content: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content.encode(errors="surrogatepass"))
        check(planned(read_plan, path))


@given(rows, st.booleans())
def test_rows_of_json(given: list[dict[str, Any]], ascii_only: bool) -> None:
    lines = [json.dumps(row, default=str, ensure_ascii=ascii_only) for row in given]
    from_file("plan.jsonl", "\n".join(lines))
    from_file("plan.json", json.dumps({"rows": given}, default=str))


@given(rows)
def test_rows_of_yaml(given: list[dict[str, Any]]) -> None:
    from_file("plan.yaml", yaml.safe_dump(given, allow_unicode=True))


def cells(given: Iterable[Any]) -> list[str]:
    return [one if isinstance(one, str) else json.dumps(one, default=str) for one in given]


@given(st.lists(names, max_size=4), st.lists(st.lists(leaves, max_size=5), max_size=3))
def test_rows_of_csv(columns: list[str], given: list[list[Any]]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["prompt", *columns], *(["a cat", *cells(row)] for row in given)])
    from_file("plan.csv", file.getvalue())


@given(
    st.dictionaries(
        names.filter(str.isprintable),
        st.lists(st.none() | st.integers(-3, 2**40), min_size=2, max_size=2)
        | st.lists(st.none() | st.floats(), min_size=2, max_size=2)
        | st.lists(st.none() | st.sampled_from(PROMPTS[:4]), min_size=2, max_size=2)
        | st.lists(st.none() | st.dates() | st.none(), min_size=2, max_size=2)
        | st.lists(
            st.dictionaries(st.sampled_from(["cat", "prompt"]), st.text("ab"), min_size=1),
            min_size=2,
            max_size=2,
        ),
        max_size=4,
    )
)
def test_rows_of_parquet(columns: dict[str, list[Any]]) -> None:
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.parquet"
        table = pyarrow.table({"prompt": ["a cat", "a dog"], **columns})
        pyarrow.parquet.write_table(table, path)
        check(planned(read_plan, path))
