import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_drawing import Drawing, tree

from crossattn.errors import CrossattnError
from crossattn.pipelines.batch import run_batch

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from pathlib import Path
from fake_drawing import Drawing
from crossattn.pipelines.batch import run_batch

if __name__ == "__main__":
    rows = [{"prompt": "drawn slowly", "seeds": "0..7"}]
    drawing = Drawing(Path(sys.argv[1]) / "log")
    for result in run_batch(rows, output=Path(sys.argv[1]) / "out", workers=2, render=drawing):
        print(result.id, flush=True)
"""


@pytest.fixture
def drawing(tmp_path: Path) -> Drawing:
    (tmp_path / "log").mkdir()
    return Drawing(tmp_path / "log")


class Nowhere(Drawing):
    """A renderer that no worker can be given."""

    def __reduce__(self) -> Any:
        return (os.abort, ())


def test_workers_that_die_are_replaced_and_nothing_is_lost_or_done_twice(
    tmp_path: Path, drawing: Drawing
) -> None:
    rows = [
        {"prompt": "it faints", "seed": 100},
        {"prompt": "it dies", "seed": 101},
        {"prompt": "it falters", "seed": 102},
        {"prompt": "fine", "seeds": "0..7"},
    ]
    results = list(run_batch(rows, output=tmp_path / "out", workers=2, render=drawing))
    assert len(results) == len({result.id for result in results}) == 11
    assert [(result.item.recipe.seed, result.error) for result in results if result.error] == [
        (101, "The worker was killed (signal 9).")
    ]
    assert drawing.tries() == {100: 2, 101: 3, 102: 2, **dict.fromkeys(range(8), 1)}
    assert os.getpid() not in drawing.workers()


def test_a_picture_that_takes_too_long_has_failed(drawing: Drawing) -> None:
    rows = [{"prompt": "it dawdles"}, {"prompt": "fine", "seeds": "1..2"}]
    results = list(run_batch(rows, workers=1, timeout=1.5, render=drawing))
    assert [result.error for result in results] == [
        None,
        None,
        "The worker was stopped after 1.5 seconds without a picture.",
    ]


def test_workers_that_cannot_start_are_told(drawing: Drawing, capfd: Any) -> None:
    with pytest.raises(CrossattnError, match=r"was killed \(signal 6\) before they could begin"):
        list(run_batch([{"prompt": "fine"}], workers=1, render=Nowhere(drawing.log)))


def test_killed_while_its_workers_draw_it_goes_on_to_the_same_folder(
    tmp_path: Path, drawing: Drawing
) -> None:
    command = [sys.executable, "-c", SCRIPT, tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    run = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    assert run.stdout
    for _ in range(3):
        run.stdout.readline()
    run.send_signal(signal.SIGKILL)
    run.stdout.close()
    run.wait()
    _wait_until_gone(drawing.workers())
    before = drawing.tries()

    rows = [{"prompt": "drawn slowly", "seeds": "0..7"}]
    results = list(run_batch(rows, output=tmp_path / "out", render=drawing))
    earlier = {result.item.recipe.seed for result in results if result.earlier}
    assert len(results) == 8 and len(earlier) >= 3
    assert set(drawing.tries() - before) == set(range(8)) - earlier

    (tmp_path / "whole").mkdir()
    list(run_batch(rows, output=tmp_path / "whole/out", render=drawing))
    assert tree(tmp_path / "out") == tree(tmp_path / "whole/out")


def _wait_until_gone(workers: set[int]) -> None:
    deadline = time.monotonic() + 120
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.05)
