"""Every sample runs as its own docstring says, here with fewer steps, most on a smaller model."""

import ast
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from PIL import Image

from crossattn import null_text
from crossattn.pipelines.batch import read_plan

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[1] / "samples"


AS_SHIPPED = ("photograph",)
"""Samples that know their model, and take no smaller one."""


@pytest.mark.parametrize(
    ("name", "options", "out", "pictures"),
    [
        ("edits", ["--steps", "2"], "", ["edit-blend.png", "edit-refine.png", "edit-swap.png"]),
        ("emphasis", ["--steps", "1"], "emphasis.jpg", ["emphasis.jpg"]),
        ("photograph", ["--steps", "1"], "photo.png", ["photo.png"]),
        ("attention_cost", ["--longest", "64", "--repeats", "2"], "cost.png", ["cost.png"]),
        ("attention_saturation", ["--queries", "20"], "lost.png", ["lost.png"]),
    ],
)
def test_a_sample_draws_its_pictures(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    name: str,
    options: list[str],
    out: str,
    pictures: list[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *options, "--out", str(tmp_path / out)])
    if name not in AS_SHIPPED:
        request.getfixturevalue("small_emoji_sd")
    with matplotlib.rc_context({"backend": "agg"}):
        runpy.run_path(str(SAMPLES / f"{name}.py"), run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == pictures
    for picture in pictures:
        colours = Image.open(tmp_path / picture).convert("RGB").getcolors(2**24)
        assert colours is not None and len(colours) > 100


@pytest.mark.parametrize(
    ("name", "steps", "fewer", "pictures", "sentences"),
    [
        ("first_walk", 25, 5, 5, ["snow: weight 1.8, covered ", "LocalBlend: "]),
        ("photograph", 15, 2, 4, ["changed inside the mask: ", "changes nothing: True"]),
    ],
)
def test_a_notebook_runs_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    steps: int,
    fewer: int,
    pictures: int,
    sentences: list[str],
) -> None:
    monkeypatch.setattr(null_text, "ROUNDS", 2)
    notebook = json.loads((SAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    assert f"STEPS = {steps}" in cells[0]
    names: dict[str, Any] = {}
    shown = []
    for cell in cells:
        *body, last = ast.parse(cell.replace(f"STEPS = {steps}", f"STEPS = {fewer}")).body
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))
        else:
            exec(compile(ast.Module([last], []), "cell", "exec"), names)
    assert sum(isinstance(value, Image.Image) for value in shown) == pictures
    told = capsys.readouterr().out
    assert all(sentence in told for sentence in sentences)


def test_the_plan_of_edits_can_be_run() -> None:
    plan = read_plan(SAMPLES / "edits.jsonl")
    assert len(plan) == 8
    assert [item.recipe.edit is None for item in plan] == [True, False, False, False] * 2
