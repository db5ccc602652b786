import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import InputError
from crossattn.pipelines.files import (
    check_place,
    fresh_folder,
    fresh_path,
    new_folder,
    slug,
    write_file,
)


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


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
        write_file(path, b"new", replace=True)
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
        assert not (tmp_path / "cat" / "one").exists()
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
    with new_folder(tmp_path / "cat") as place:
        (place / "one").write_text("2")
    assert (tmp_path / "cat" / "one").read_text() == "1"
    assert place.parent == tmp_path / "cat-2"
    assert contents(tmp_path) == ["cat", "cat-2", "cat-2/one", "cat/one"]


def test_a_folder_that_is_there_keeps_its_owner_and_rights(tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    there.mkdir(mode=0o700)
    link.symlink_to(there)
    before = there.stat()
    with new_folder(link) as place:
        (place / "one").touch()
    after = there.stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert link.is_symlink() and contents(there) == ["one"]


def test_a_set_that_fails_leaves_the_empty_folder_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("mine", "new"):
        with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / name) as place:
            (place / "one").touch()
            raise KeyboardInterrupt
    assert contents(tmp_path) == ["mine"]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one has come there"), new_folder(tmp_path / "a") as place:
        (place / "none").touch()
        (place / "one").write_text("ours")
        (tmp_path / "a" / "one").write_text("theirs")
    assert contents(tmp_path) == ["a", "a/one"]
    assert (tmp_path / "a" / "one").read_text() == "theirs"


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (".", "a/out-2"),
        ("..", "a-2"),
        ("in/..", "a/out-2"),
        ("./", "a/out-2"),
        ("in/../.", "a/out-2"),
    ],
)
def test_a_place_without_a_name_of_its_own_is_found_first(
    end: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "out" / "in").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "out")
    with new_folder(Path(end)) as place:
        (place / "one").touch()
    assert (tmp_path / found / "one").is_file()


def test_the_root_of_all_folders_is_told(tmp_path: Path) -> None:
    for attempt in (fresh_path, fresh_folder):
        with pytest.raises(InputError, match="Cannot write /: it is the root"):
            attempt(Path("/"))


def test_a_number_stands_behind_a_folder_but_before_the_ending_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "run1.0").mkdir()
    (tmp_path / "run1.0" / "x.png").touch()
    assert fresh_folder(tmp_path / "run1.0").name == "run1.0-2"
    assert fresh_path(tmp_path / "run1.0" / "x.png").name == "x-2.png"


def test_a_place_is_tried_where_the_files_will_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for path in ("file/cat", "nowhere/cat", "x" * 300, f"new/{'x' * 300}"):
        for folder in (True, False):
            with pytest.raises(InputError, match="Cannot write"):
                check_place(tmp_path / path, folder=folder)
    check_place(tmp_path / "new" / "cat", folder=True)
    assert contents(tmp_path) == ["file", "nowhere"]


def write_some(folder: Path) -> list[Path]:
    written = [write_file(folder / "cat.png", b"cat") for _ in range(20)]
    for _ in range(10):
        with new_folder(folder / "maps") as place:
            (place / "one").touch()
        written.append(place.parent / "one")
    return written


def test_two_that_write_at_once_get_names_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        written = [path for paths in pool.map(write_some, [tmp_path] * 2) for path in paths]
    assert len(set(written)) == 60
    assert all(path.is_file() for path in written)
    assert not list(tmp_path.rglob(".crossattn-*"))


def test_a_file_system_without_links_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for number, name in enumerate(("cat.png", "cat-2.png")):
        assert write_file(tmp_path / "cat.png", f"{number}".encode()).name == name
    assert contents(tmp_path) == ["cat-2.png", "cat.png"]
    assert (tmp_path / "cat.png").read_bytes() == b"0"
