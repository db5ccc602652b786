import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import InputError
from crossattn.pipelines.files import fresh_path, new_folder, slug, write_file


@given(st.text(max_size=300))
def test_any_text_gives_a_file_name_that_is_safe_everywhere(text: str) -> None:
    name = slug(text)
    assert 1 <= len(name) <= 60
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_file_name_keeps_letters_without_their_accents() -> None:
    assert slug("Un château à la plage") == "un-chateau-a-la-plage"


def test_a_path_that_is_taken_gets_the_next_number(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    assert fresh_path(path) == path
    path.touch()
    assert fresh_path(path) == tmp_path / "cat-2.png"
    (tmp_path / "cat-2.png").symlink_to(tmp_path / "nowhere")
    assert fresh_path(path) == tmp_path / "cat-3.png"


def test_a_file_is_written_whole_into_folders_made_for_it(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a" / "b.png", b"picture")
    assert path.read_bytes() == b"picture"
    assert [file.name for file in path.parent.iterdir()] == ["b.png"]


def test_files_are_as_readable_as_others_that_the_user_makes(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    expected = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    with new_folder(tmp_path / "set") as place:
        (place / "private").touch(mode=0o600)
    assert stat.S_IMODE(write_file(tmp_path / "file", b"").stat().st_mode) == expected
    assert stat.S_IMODE((tmp_path / "set" / "private").stat().st_mode) == expected


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_file(tmp_path / "cat.png", b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cat\.png: No space left on device"):
        write_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_file(tmp_path / "out" / "cat.png", b"")


def test_a_set_of_files_appears_together(tmp_path: Path) -> None:
    with new_folder(tmp_path / "cat") as place:
        (place / "one").write_text("1")
        (place / "words").mkdir()
        (place / "words" / "two").write_text("2")
        assert not (tmp_path / "cat").exists()
    assert (tmp_path / "cat" / "words" / "two").read_text() == "2"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cat"]


def test_a_set_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "cat") as place:
        (place / "one").write_text("1")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_set_can_take_an_empty_folder_but_never_a_full_one(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with new_folder(tmp_path / "cat") as place:
        (place / "one").write_text("1")
    with pytest.raises(InputError), new_folder(tmp_path / "cat") as place:
        (place / "one").write_text("2")
    assert (tmp_path / "cat" / "one").read_text() == "1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["cat"]
