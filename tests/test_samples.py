"""Every sample runs as its own docstring says, here with fewer steps than it draws with."""

import runpy
import sys
from pathlib import Path

import matplotlib
import pytest
from PIL import Image

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.mark.parametrize(
    ("name", "options", "out", "pictures"),
    [
        ("edits", ["--steps", "2"], "", ["edit-blend.png", "edit-refine.png", "edit-swap.png"]),
        ("emphasis", ["--steps", "1"], "emphasis.jpg", ["emphasis.jpg"]),
        ("attention_cost", ["--longest", "64", "--repeats", "2"], "cost.png", ["cost.png"]),
        ("attention_saturation", ["--queries", "20"], "lost.png", ["lost.png"]),
    ],
)
def test_a_sample_draws_its_pictures(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: list[str],
    out: str,
    pictures: list[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *options, "--out", str(tmp_path / out)])
    with matplotlib.rc_context({"backend": "agg"}):
        runpy.run_path(str(SAMPLES / f"{name}.py"), run_name="__main__")
    assert sorted(path.name for path in tmp_path.iterdir()) == pictures
    for picture in pictures:
        colours = Image.open(tmp_path / picture).convert("RGB").getcolors(2**24)
        assert colours is not None and len(colours) > 100
