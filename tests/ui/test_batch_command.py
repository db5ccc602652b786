import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossattn.pipelines.batch import BatchResult
from crossattn.ui.cli import call


@pytest.fixture
def plan(tmp_path: Path, sd_folder: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {"defaults": {"model": str(sd_folder), "steps": 2}},
        {"prompt": "a red car", "seeds": "0..1"},
        {"prompt": "a red car", "edit": "a red dog", "seed": 1},
    ]
    path = tmp_path / "edits.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = call(["batch", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_plan_becomes_a_folder_and_the_next_run_finds_it_done(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code, told, error = run(capsys, plan, "-o", out, "--workers", 0, "--trace")
    assert code == 0, error
    assert f"{out}: 3 made, 0 there already." in told
    assert f"Look at {out / 'index.html'}." in told
    assert len(list(out.glob("pictures/*.png"))) == len(list(out.glob("traces/*"))) == 3

    code, told, _ = run(capsys, plan, "-o", out, "--trace", "--json")
    *lines, last = [json.loads(line) for line in told.splitlines()]
    assert code == 0, error
    assert [line["status"] for line in lines] == ["done"] * 3
    assert all(line["earlier"] and (out / line["files"]["picture.png"]).is_file() for line in lines)
    assert {**last, "seconds": 0} == {
        "output": str(out),
        "made": 0,
        "earlier": 3,
        "failed": 0,
        "seconds": 0,
    }

    code, told, _ = run(capsys, plan, "-o", out, "--dry-run")
    assert (code, told) == (0, f"All 3 pictures are in {out} already.\n")

    code, _, error = run(capsys, plan, "-o", out)
    assert code == 2
    assert "was begun with another trace" in error


def test_a_dry_run_tells_what_would_run_and_makes_nothing(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code, told, _ = run(capsys, plan, "-o", out, "--dry-run", "--workers", 2)
    assert code == 0, told
    assert "edits.jsonl, line 2" in told and "seed 1" in told
    assert "3 pictures, 0 there already; the other 3 take about" in told
    assert "with 2 workers" in told
    code, told, _ = run(capsys, plan, "-o", out, "--dry-run", "--json")
    guess = json.loads(told)
    assert (guess["pictures"], guess["missing"], len(guess["items"])) == (3, 3, 3)
    assert guess["seconds"] > 0 and 1000 < guess["bytes"] < 300_000
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("choice", "pictures"),
    [("edit.cross=[0,0.8]", 1), ("weights.dog=2", 1), ("sweep.guidance=[1,2]", 2)],
)
def test_what_is_a_column_of_a_plan_may_be_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], choice: str, pictures: int
) -> None:
    row = tmp_path / "row.jsonl"
    row.write_text('{"prompt": "a cat", "edit": "a dog"}')
    code, told, error = run(capsys, row, "--set", choice, "--dry-run", "--json")
    assert code == 0, error
    assert json.loads(told)["pictures"] == pictures


def test_pictures_that_fail_are_told_and_the_exit_code_says_so(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with plan.open("a") as file:
        file.write('\n{"prompt": "a car", "edit": {"prompt": "a car", "mode": "replace"}}')
    code, told, error = run(capsys, plan, "-o", tmp_path / "out", "--workers", 0)
    assert code == 1
    assert "3 made, 0 there already, 1 failed." in told
    assert "note: edits.jsonl, line 4: " in error


def test_a_run_says_first_what_it_will_do_and_then_how_far_it_is(
    tmp_path: Path,
    plan: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crossattn.ui.batch_command.LOG_SECONDS", 0)
    _, _, error = run(capsys, plan, "-o", tmp_path / "out", "--workers", 0)
    first, *lines = error.splitlines()
    assert first == f"3 pictures in this process, into {tmp_path / 'out'}"
    assert [line.split(",")[0] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"]
    assert all("a minute" in line and line.endswith(" left") for line in lines)
    _, _, error = run(capsys, plan, "-o", tmp_path / "out", "--workers", 0, "--json")
    assert error == ""


def test_stopping_a_run_says_what_is_kept(
    tmp_path: Path,
    plan: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from crossattn.pipelines.batch import run_batch

    def stopped(*arguments: Any, **options: Any) -> Iterator[BatchResult]:
        yield next(run_batch(*arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr("crossattn.pipelines.batch.run_batch", stopped)
    code, _, error = run(capsys, plan, "-o", tmp_path / "out", "--workers", 0)
    assert code == 130
    last = "crossattn: stopped; 1 of 3 are kept, run the same again for the rest."
    assert error.splitlines()[-1] == last
    assert "nothing was written" not in error


def test_a_part_is_told_and_counted_as_a_part(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [plan, "-o", tmp_path / "out", "--workers", 1, "--dry-run", "--json", "--shard"]
    parts = [json.loads(run(capsys, *options, part)[1]) for part in ("1/2", "2/2")]
    assert sum(part["pictures"] for part in parts) == 3
    assert len({item["id"] for part in parts for item in part["items"]}) == 3
    for part in ("1/2", "2/2"):
        _, _, error = run(capsys, plan, "-o", tmp_path / "out", "--workers", 0, "--shard", part)
        number = parts[int(part[0]) - 1]["pictures"]
        assert error.startswith("1 picture in" if number == 1 else f"{number} pictures in")


def test_parts_are_gathered_by_a_last_run(
    tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    _, told, _ = run(capsys, plan, "-o", out, "--shard", "1/2", "--workers", 0)
    assert "This was one part" in told
    assert not (out / "index.html").exists()
    code, told, _ = run(capsys, plan, "-o", out, "--workers", 0)
    assert code == 0 and (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "spark"], "the engine is local or ray, not 'spark'"),
        (["--shard", "17/16"], "such as 3/16"),
        (["--set", "steps"], "write --set steps=20"),
        (["--set", "steps=many"], "line 2: .*steps must be a whole number"),
        (["--set", "stepz=3"], "did you mean steps"),
        (["--workers", "-1"], "--workers"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    plan = tmp_path / "plan.jsonl"
    plan.write_text('\n{"prompt": "a red car"}')
    code, told, error = run(capsys, plan, "-o", tmp_path / "out", *arguments)
    assert (code, told) == (2, "")
    assert len(error.splitlines()) == 1
    assert re.search(message, error)
    assert not (tmp_path / "out").exists()
