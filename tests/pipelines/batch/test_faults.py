import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("crash_points.py")


def crash(folder: Path, kind: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPT, folder, kind], capture_output=True, text=True, timeout=200
    )


def test_killed_at_any_write_and_run_again_the_folder_is_the_same(tmp_path: Path) -> None:
    done = crash(tmp_path, "killed")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 40


def test_a_disk_that_is_full_at_any_write_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    done = crash(tmp_path, "full")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
    assert all("No space left on device" in line for line in done.stderr.splitlines())


def test_a_line_that_the_system_cut_short_is_made_again(tmp_path: Path) -> None:
    done = crash(tmp_path, "limited")
    assert done.returncode == 0, done.stderr
    assert "File too large; what is finished is kept" in done.stderr


def test_a_folder_that_may_not_be_written_to_is_told_and_left_alone() -> None:
    # Not below pytest's folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        done = crash(Path(folder), "unwritable")
    assert done.returncode == 0, done.stderr
    assert "Permission denied" in done.stderr
