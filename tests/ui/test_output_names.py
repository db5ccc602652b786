"""Where commands put their files, and what these are called."""

from pathlib import Path

import pytest

from crossattn.ui.cli import call


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_weights_are_no_part_of_a_files_name(sd_folder: Path) -> None:
    prompt = "a (déjà-vu:1.5) cat++"
    assert call(["generate", prompt, "--model", str(sd_folder), "--steps", "1"]) == 0
    assert [file.name for file in Path("out").iterdir()] == ["a-deja-vu-cat-seed0.png"]


def test_heatmap_takes_a_new_folder_each_time(sd_folder: Path) -> None:
    Path("dog").mkdir()
    for _ in range(2):
        arguments = ["heatmap", "dog", "--model", str(sd_folder), "--steps", "1", "-o", "dog"]
        assert call(arguments) == 0
    first, second = (sorted(p.relative_to(f) for p in Path(f).rglob("*")) for f in ("dog", "dog-2"))
    assert Path("picture.png") in first == second


@pytest.mark.parametrize("output", [".", "..", "inner/.."])
def test_a_folder_that_is_told_without_its_name_gets_one_inside(
    output: str, sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outer" / "here" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "outer" / "here")
    options = ["--model", str(sd_folder), "--steps", "1", "-o", output]
    assert call(["heatmap", "a dog", *options]) == 0
    assert call(["edit", "a dog", "a cat", *options]) == 0
    assert (Path(output) / "a-dog-seed0" / "picture.png").is_file()
    assert (Path(output) / "a-cat-seed0" / "edited.png").is_file()


def test_an_empty_folder_behind_a_link_is_filled(
    sd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    options = ["--model", str(sd_folder), "--steps", "1", "-o", str(tmp_path / "link")]
    assert call(["heatmap", "a dog", *options]) == 0
    assert (tmp_path / "real" / "picture.png").is_file()
