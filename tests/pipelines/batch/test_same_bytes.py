import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_drawing import tree
from safetensors.torch import load

from crossattn.errors import CrossattnError, InputError
from crossattn.pipelines.batch import run_batch

pytestmark = pytest.mark.slow

# Ray fills a process with threads and warnings of its own, so it gets one to itself.
SCRIPT = """
import json
import logging
import os
import sys
from pathlib import Path

import ray
from fake_drawing import Drawing
from crossattn.errors import CrossattnError
from crossattn.pipelines.batch import run_batch

def main(base, rows):
    os.environ["RAY_worker_niceness"] = "0"
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
             logging_level=logging.CRITICAL)
    for result in run_batch(rows, output=base / "ray", engine="ray", workers=2, trace=True):
        assert result.error is None, result.error

    rows = [{"prompt": "fine", "seeds": "0..7"}, {"prompt": "it faints", "seed": 100},
            {"prompt": "it falters", "seed": 101}]
    drawing = Drawing(base / "log")
    results = list(run_batch(rows, output=base / "out", engine="ray", workers=2, render=drawing))
    assert len(results) == len({result.id for result in results}) == 10
    assert [result.error for result in results] == [None] * 10
    assert len((base / "out/manifest.jsonl").read_text().splitlines()) == 11
    assert drawing.tries()[100] == drawing.tries()[101] == 2

    try:
        list(run_batch([{"prompt": "it dawdles"}], engine="ray", timeout=3, render=drawing))
    except CrossattnError as error:
        assert str(error).startswith("Ray has made nothing for 3 seconds; see that it"), error
    else:
        raise AssertionError("nobody watched Ray")

if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
"""


def made(folder: Path) -> dict[str, Any]:
    """Return pictures by their bytes, and traces by their tensors' (a header has no order)."""
    files = {name: data for name, data in tree(folder).items() if name.startswith("pictures")}
    traces = {name: load(data) for name, data in tree(folder).items() if name.startswith("traces")}
    return files | {
        f"{name} {key}": tensor.numpy().tobytes()
        for name, tensors in traces.items()
        for key, tensor in tensors.items()
    }


@pytest.fixture(scope="module")
def rows(sd_folder: Path, loras: Path) -> list[dict[str, Any]]:
    """Pictures of the tiny model, one of them with a LoRA."""
    plain = {"prompt": "a red car", "steps": 2, "model": str(sd_folder)}
    drawn = {**plain, "prompt": "a red car <lora:ink:1>", "loras": str(loras)}
    return [{**plain, "seeds": "0..4"}, {**drawn, "seed": 5}]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> Path:
    """What this process itself makes of them."""
    out = tmp_path_factory.mktemp("here")
    assert [result.error for result in run_batch(rows, output=out, trace=True)] == [None] * 6
    assert len(made(out)) > 12
    return out


def test_workers_make_the_same_bytes(
    tmp_path: Path, rows: list[dict[str, Any]], here: Path
) -> None:
    list(run_batch(rows, output=tmp_path / "out", workers=2, trace=True))
    assert made(tmp_path / "out") == made(here)


def test_ray_makes_the_same_bytes_and_loses_nothing_when_its_workers_die(
    tmp_path: Path, rows: list[dict[str, Any]], here: Path
) -> None:
    (tmp_path / "log").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path, json.dumps(rows)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert made(tmp_path / "ray") == made(here)


def test_ray_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"not installed: pip install 'crossattn\[ray\]'"):
        list(run_batch([{"prompt": "a"}], engine="ray"))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "nowhere.invalid:1"]
)
def test_a_cluster_that_does_not_answer_is_told_at_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    began = time.monotonic()
    with pytest.raises(CrossattnError, match=r"Ray does not answer at .*; start it there, or take"):
        list(run_batch([{"prompt": "a"}], engine="ray"))
    assert time.monotonic() - began < 20
