"""What `make release` checks before it builds, and what the documents keep from the benchmarks."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def release() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "samples" / "release.py"))


def test_a_version_whose_changes_are_not_told_is_not_released(release: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match=r"no section '## \[1\.2\.0\] - YYYY-MM-DD': rename"):
        release["check_changelog"]("1.2.0", "## [Unreleased]\n\n## [1.1.0] - 2026-01-01\n")
    release["check_changelog"]("1.2.0", "# Changelog\n\n## [1.2.0] - 2026-11-27\n")


def test_the_lowest_versions_are_pinned(release: dict[str, Any]) -> None:
    asked = ["torch>=2.9", "diffusers>=0.42,<0.43", "numpy>=2"]
    assert release["lowest"](asked) == ["torch==2.9.*", "diffusers==0.42.*", "numpy==2.*"]


def test_a_lowest_torch_that_comes_with_cuda_is_not_run_and_that_is_told(
    release: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pins = ["torch==2.9.*", "numpy==2.0.*"]
    assert release["without_cuda"](pins, {"torch": "2.9.1"}, "torch==2.13.0") == pins
    assert capsys.readouterr().out == ""
    found = {"torch": "2.9.1", "nvidia-cublas-cu12": "12.8.4.1"}
    taken = release["without_cuda"](pins, found, "torch==2.13.0")
    assert taken == ["torch==2.13.0", "numpy==2.0.*"]
    said = capsys.readouterr().out
    assert "not run: torch 2.9.1" in said and "torch==2.13.0 is run in its place" in said


def test_what_is_to_ship_are_the_files_of_the_three_folders(release: dict[str, Any]) -> None:
    names = release["expected"](ROOT)
    for name in ("crossattn/py.typed", "crossattn/pipelines/load.py", "crossattn/ui/cli.py"):
        assert name in names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_the_version_stands_in_one_place() -> None:
    stated = re.compile(r"^(?:__)?version(?:__)?\s*(?::\s*str\s*)?=\s*[\"']\d", re.MULTILINE)
    files = [
        path for name in ("crossattn", "pipelines", "ui") for path in (ROOT / name).rglob("*.py")
    ]
    assert not [path for path in files if stated.search(path.read_text(encoding="utf-8"))]


def test_the_page_of_measurements_is_what_the_benchmarks_printed() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_measured.py"))
    assert script["page"]() == (ROOT / "docs" / "measured.md").read_text(encoding="utf-8")


def test_the_page_of_measurements_says_what_was_not_measured() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_measured.py"))
    for name, (title, _) in script["BENCHMARKS"].items():
        assert (ROOT / "samples" / "bench" / f"{name}.py").is_file()
        _, found, section = script["page"]().partition(f"### {title}\n")
        missing = section.partition("###")[0].count("Not measured on this edition")
        stored = (ROOT / "docs" / "measured" / "cpu" / f"{name}.md").is_file()
        assert found and missing == (not stored)
