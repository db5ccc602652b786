import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_drawing import Drawing, tree

from crossattn.errors import InputError
from crossattn.pipelines.batch import BatchResult, Shard, make_plan, run_batch

ROWS = [{"prompt": "a red car", "seeds": "0..3"}, {"prompt": "a dog", "seed": 4, "id": "dog"}]


@pytest.fixture
def drawing(tmp_path: Path) -> Drawing:
    log = tmp_path / "log"
    log.mkdir()
    return Drawing(log)


def finish(rows: Any, out: Path, drawing: Drawing, **options: Any) -> list[BatchResult]:
    return list(run_batch(rows, output=out, render=drawing, **options))


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def test_every_picture_is_written_and_told(tmp_path: Path, drawing: Drawing) -> None:
    results = finish(ROWS, tmp_path / "out", drawing)
    assert [result.item.recipe.seed for result in results] == [0, 1, 2, 3, 4]
    assert all(not result.earlier and result.error is None for result in results)
    assert results[4].id == "dog"
    assert results[4].image.getpixel((0, 0)) == (4, 80, 160)
    assert results[4].cover == {"a": 0.25, "dog": 0.25}
    assert results[4].recipe.prompt == "a dog"
    header, *records = manifest(tmp_path / "out")
    assert header == {"crossattn batch": 1, "versions": {"drawing": "1"}}
    assert [record["id"] for record in records] == [result.id for result in results]
    names = set(tree(tmp_path / "out"))
    assert {"plan.jsonl", "index.html", "results.parquet", "pictures/dog.png"} < names


def test_small_work_needs_no_files(drawing: Drawing) -> None:
    colours = [result.image.getpixel((0, 0)) for result in run_batch(ROWS, render=drawing)]
    assert colours == [(seed, 80, 160) for seed in range(5)]


def test_a_picture_that_was_taken_away_is_made_again(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "out", drawing)
    before = tree(tmp_path / "out")
    (tmp_path / "out/pictures/dog.png").unlink()
    results = finish(ROWS, tmp_path / "out", drawing)
    assert [result.id for result in results if not result.earlier] == ["dog"]
    assert drawing.tries().total() == 6
    assert tree(tmp_path / "out") == before


def test_a_second_run_makes_nothing_and_changes_nothing(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "out", drawing)
    before = tree(tmp_path / "out")
    results = finish(ROWS, tmp_path / "out", drawing)
    assert all(result.earlier for result in results)
    assert [result.image.getpixel((0, 0)) for result in results][4] == (4, 80, 160)
    assert drawing.tries().total() == 5
    assert tree(tmp_path / "out") == before


def test_a_run_that_was_left_goes_on_where_it_stopped(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "whole/out", drawing)
    events = run_batch(ROWS, output=tmp_path / "out", render=drawing)
    next(events), next(events)
    events.close()
    results = finish(ROWS, tmp_path / "out", drawing)
    assert [result.earlier for result in results] == [True, True, False, False, False]
    assert set(drawing.tries().values()) == {2}
    assert tree(tmp_path / "out") == tree(tmp_path / "whole/out")


def test_what_fails_three_times_is_set_aside_and_the_others_go_on(
    tmp_path: Path, drawing: Drawing
) -> None:
    rows = [{"prompt": "it fails", "seed": 7}, {"prompt": "it falters", "seed": 8}, *ROWS]
    results = finish(rows, tmp_path / "out", drawing)
    assert drawing.tries() == {7: 3, 8: 2, **dict.fromkeys(range(5), 1)}
    failed = [result for result in results if result.error]
    assert [(result.item.recipe.seed, result.error) for result in failed] == [
        (7, "ValueError: the brush broke")
    ]
    with pytest.raises(InputError, match=r"has no picture\.png: ValueError: the brush broke"):
        _ = failed[0].image
    assert manifest(tmp_path / "out")[1]["status"] == "failed"

    finish(rows, tmp_path / "out", drawing)
    assert drawing.tries()[7] == 6
    assert drawing.tries()[8] == 2


def test_a_recipe_at_fault_is_tried_once_alone_and_no_more(
    tmp_path: Path, drawing: Drawing
) -> None:
    edit = {"edit": "a blue car on grass"}
    rows = [
        {"prompt": "it contradicts", "seed": 7},
        {"prompt": "a car that contradicts", "seed": 8, **edit},
        {"prompt": "a car that contradicts", "seed": 8, "edit": "a car on a beach"},
        {"prompt": "it fails", "seed": 9},
    ]
    results = finish(rows, tmp_path / "out", drawing)
    assert [result.record["tries"] for result in results] == [1, 2, 2, 3]
    # The two edits come together, where the fault of one may be the other's.
    assert drawing.tries() == {7: 1, 8: 4, 9: 3}
    assert results[0].error == "no brush can draw that"


def test_what_failed_counts_once_it_succeeds(tmp_path: Path, drawing: Drawing) -> None:
    rows = [{"prompt": "it fails", "id": "it"}, {"prompt": "it succeeds", "id": "other"}]
    finish(rows, tmp_path / "out", drawing)
    text = (tmp_path / "out/manifest.jsonl").read_text()
    assert text.count('"status":"failed"') == 1
    mended = [{"prompt": "it fails", "id": "it"}, {"prompt": "it succeeds", "id": "other"}]

    class Mended(Drawing):
        def __call__(self, recipe: Any) -> Any:
            return super().__call__(recipe.replace(prompt="it works"))

    finish(mended, tmp_path / "out", Mended(drawing.log))
    assert [record["status"] for record in manifest(tmp_path / "out")[1:]] == ["done", "done"]


def test_a_changed_plan_is_refused_and_the_rows_are_named(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "out", drawing)
    before = tree(tmp_path / "out")
    for changed, lost, row in (
        ([ROWS[0], {**ROWS[1], "prompt": "a cat"}], "dog", r" \(changed or new: row 2\);"),
        ([{**ROWS[0], "seeds": "0..2"}, ROWS[1]], "a-red-car-seed3", ";"),
        ([ROWS[0]], "dog", ";"),
        ([ROWS[0], {**ROWS[1], "id": "hound"}], "dog", r" \(changed or new: row 2\);"),
    ):
        with pytest.raises(InputError, match=f"begun with: {lost}[^ ;]*{row}"):
            finish(changed, tmp_path / "out", drawing)
    assert tree(tmp_path / "out") == before


def test_rows_may_be_added_and_moved(tmp_path: Path, drawing: Drawing) -> None:
    rows = [{"prompt": "a cat", "seed": 9}, *reversed(ROWS)]
    finish(rows, tmp_path / "whole/out", drawing)
    finish(ROWS, tmp_path / "out", drawing)
    finish(rows, tmp_path / "out", drawing)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole/out")
    assert drawing.tries() == {9: 2, **dict.fromkeys(range(5), 2)}


def test_other_versions_do_not_go_on_with_a_batch(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "out", drawing)
    with pytest.raises(InputError, match=r'another versions: .*"drawing": "1".* now .*"2"'):
        finish(ROWS, tmp_path / "out", Drawing(drawing.log, version="2"))


def test_a_half_written_last_line_is_made_again(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "whole/out", drawing)
    whole = (tmp_path / "whole/out/manifest.jsonl").read_bytes()
    last = whole[:-1].rfind(b"\n") + 1
    for cut in (last + 1, last + 40, len(whole) - 1):
        out = tmp_path / f"cut-{cut}/out"
        shutil.copytree(tmp_path / "whole/out", out)
        (out / "manifest.jsonl").write_bytes(whole[:cut])
        results = finish(ROWS, out, drawing)
        assert [result.earlier for result in results] == [True] * 4 + [False]
        assert tree(out) == tree(tmp_path / "whole/out")


def test_a_damaged_line_in_the_middle_is_told(tmp_path: Path, drawing: Drawing) -> None:
    finish(ROWS, tmp_path / "out", drawing)
    path = tmp_path / "out/manifest.jsonl"
    lines = path.read_bytes().split(b"\n")
    for damage in (b"\x00" * 40, b"{}", b"[]", b'{"id": 7}'):
        path.write_bytes(b"\n".join([*lines[:2], damage, *lines[3:]]))
        with pytest.raises(InputError, match="line 3 is damaged; take the line out"):
            finish(ROWS, tmp_path / "out", drawing)


def test_two_runs_on_one_folder_are_refused(tmp_path: Path, drawing: Drawing) -> None:
    first = run_batch(ROWS, output=tmp_path / "out", render=drawing)
    next(first)
    before = tree(tmp_path / "out")
    with pytest.raises(InputError, match="Another run is writing to"):
        finish(ROWS, tmp_path / "out", drawing)
    with pytest.raises(InputError, match="Another run is writing to"):
        finish(ROWS, tmp_path / "out", drawing, shard=Shard(1, 2))
    assert tree(tmp_path / "out") == before
    first.close()
    finish(ROWS, tmp_path / "out", drawing)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, drawing: Drawing) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/holiday.png").write_bytes(b"sun")
    with pytest.raises(InputError, match="holds other files and no batch"):
        finish(ROWS, tmp_path / "photos", drawing)
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(InputError, match="file is a file; give a folder"):
        finish(ROWS, tmp_path / "file", drawing)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_shards_do_each_picture_once_and_a_last_run_gathers_them(
    tmp_path: Path, drawing: Drawing
) -> None:
    finish(ROWS, tmp_path / "whole/out", drawing)
    out = tmp_path / "out"
    open_shard = run_batch(ROWS, output=out, render=drawing, shard=Shard(1, 3))
    next(open_shard)
    finish(ROWS, out, drawing, shard=Shard(2, 3))
    with pytest.raises(InputError, match="Another run"):
        finish(ROWS, out, drawing, shard=Shard(1, 3))
    with pytest.raises(InputError, match="Another run"):
        finish(ROWS, out, drawing)
    list(open_shard)
    results = finish(ROWS, out, drawing)
    assert sum(not result.earlier for result in results) == 1
    assert set(drawing.tries().values()) == {2}
    assert not list(out.glob("manifest-*"))
    assert tree(out) == tree(tmp_path / "whole/out")


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/", "-1/2", "1/2/3", "٣/٤"])
def test_a_shard_is_a_number_of_a_count(text: str) -> None:
    with pytest.raises(InputError, match="such as 3/16"):
        Shard.parse(text)
    assert Shard.parse("3/16") == Shard(3, 16)


def test_a_lock_that_a_dead_run_left_is_no_lock(tmp_path: Path, drawing: Drawing) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="Another run"):
            finish(ROWS, out, drawing)
    assert len(finish(make_plan(ROWS), out, drawing)) == 5


def test_a_picture_that_was_emptied_or_cut_is_made_again(tmp_path: Path, drawing: Drawing) -> None:
    rows, out = [{"prompt": "a", "seeds": "0..2"}], tmp_path / "out"
    first, second, _ = finish(rows, out, drawing)
    whole = first.read("picture.png")
    for result, data in ((first, b""), (second, whole[:-1])):
        (out / result.record["files"]["picture.png"]).write_bytes(data)
    again = finish(rows, out, drawing)
    assert sorted(result.earlier for result in again) == [False, False, True]
    assert {result.read("picture.png")[:8] for result in again} == {whole[:8]}


@pytest.mark.parametrize(
    "name", ["manifest backup.jsonl", "manifest (conflicted copy).jsonl", "manifest-old.jsonl"]
)
def test_copies_of_the_manifest_are_nobodys_but_their_owners(
    name: str, tmp_path: Path, drawing: Drawing
) -> None:
    rows, out = [{"prompt": "a"}], tmp_path / "out"
    finish(rows, out, drawing)
    (out / name).write_bytes(b"mine")
    (out / ".crossattn-mine").mkdir()
    (out / ".lock-mine").touch()
    assert [result.earlier for result in finish(rows, out, drawing)] == [True]
    assert (out / name).read_bytes() == b"mine"
    assert (out / ".crossattn-mine").is_dir() and (out / ".lock-mine").exists()


@pytest.mark.parametrize("row", [{"prompt": "a"}, {"id": "mine", "prompt": "a", "seed": 0}])
@pytest.mark.parametrize("name", ["plan.jsonl", "manifest.jsonl"])
def test_a_plan_of_ones_own_in_the_folder_is_left_as_it_is(
    row: dict[str, Any], name: str, tmp_path: Path, drawing: Drawing
) -> None:
    text = json.dumps(row) + "\n"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text(text)
    with pytest.raises(InputError, match="holds other files and no batch; choose an empty"):
        finish([row], tmp_path / "own", drawing)
    assert (tmp_path / "own" / name).read_text() == text


def test_a_run_that_was_killed_before_its_plan_was_written_begins_anew(
    tmp_path: Path, drawing: Drawing
) -> None:
    rows, out = [{"prompt": "a"}], tmp_path / "out"
    finish(rows, out, drawing)
    (header, *_) = (out / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (out / "manifest.jsonl").write_bytes(header)
    (out / "plan.jsonl").unlink()
    assert [result.earlier for result in finish(rows, out, drawing)] == [False]
