import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_drawing import Drawing

import crossattn.pipelines.batch as batch

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.mark.parametrize(
    ("name", "pictures", "last"),
    [
        ("batch_emphasis_sweep", 20, "index.html"),
        ("batch_swaps", 20, "index.html"),
        ("batch_prompt_seed_grid", 9, "grid.png"),
        ("batch_from_spreadsheet", 6, "index.html"),
    ],
)
def test_every_sample_of_a_batch_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    pictures: int,
    last: str,
) -> None:
    drawing, real = Drawing(tmp_path), batch.run_batch

    def quickly(plan: Any, **options: Any) -> Any:
        return real(plan, **{**options, "workers": 0, "render": drawing})

    monkeypatch.setattr(batch, "run_batch", quickly)
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path / "out")])
    runpy.run_path(str(SAMPLES / f"{name}.py"), run_name="__main__")
    assert drawing.tries().total() == pictures
    assert capsys.readouterr().out.splitlines()[-1] == f"Look at {tmp_path / 'out' / last}."
    assert (tmp_path / "out" / last).is_file()
