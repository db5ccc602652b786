import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossattn.errors import InputError
from crossattn.pipelines.batch import Pair, read_pairs, read_plan, run_batch
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.similarity import similarity

ENTRY: dict[str, Any] = {
    "image_path": "1_change_object_80/1_artificial/1_animal/111000000000.jpg",
    "original_prompt": "a [cat] sitting on a wooden chair",
    "editing_prompt": "a [dog] sitting on a wooden chair",
    "editing_instruction": "Change the cat to a dog",
    "editing_type_id": "1",
    "blended_word": "cat dog",
    "mask": [512 * 10 + 20, 5, 512 * 11 + 20, 2],
}


def pair(**changes: Any) -> Pair:
    return next(read_pairs({"111000000000": {**ENTRY, **changes}}, Path("PIE")))


def test_a_mapping_file_is_a_plan_of_edits(tmp_path: Path) -> None:
    path = tmp_path / "mapping_file.json"
    other = {**ENTRY, "blended_word": "", "editing_prompt": "a cat sitting on a [metal] chair"}
    path.write_text(json.dumps({"111000000000": ENTRY, "111000000001": other}))
    first, second = read_plan(path, {"steps": 7})
    assert (first.id, first.recipe.prompt) == ("111000000000", "a cat sitting on a wooden chair")
    assert first.recipe.edit and second.recipe.edit
    assert first.recipe.edit.prompt == "a dog sitting on a wooden chair"
    assert first.recipe.edit.blend == ("cat", "dog")
    assert second.recipe.edit.blend == ()  # the words that differ
    assert first.axes == {"kind": "1"}
    assert first.recipe.steps == 7


def test_a_picture_of_the_benchmark_that_is_there_is_what_is_edited(
    tmp_path: Path, sd_folder: Path
) -> None:
    place = tmp_path / "annotation_images" / ENTRY["image_path"]
    place.parent.mkdir(parents=True)
    Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 20).save(place)
    path = tmp_path / "mapping_file.json"
    path.write_text(json.dumps({"111000000000": ENTRY}))
    asked = {"model": str(sd_folder), "steps": 2, "picture": {"method": "direct"}}
    (done,) = run_batch(read_plan(path, asked), output=tmp_path / "out")
    assert done.error is None
    picture = done.recipe.picture
    assert picture is not None and picture.sha256 and not picture.put_back
    assert (picture.path, picture.method) == (str(place), "direct")
    assert done.image.size == (64, 64)
    before = read_picture(place)
    same = similarity(before, before)
    assert same is not None and (same.mse, same.ssim) == (0.0, pytest.approx(1.0))
    other = similarity(before, done.image, np.eye(64, dtype=bool))
    assert other is not None and other.psnr == pytest.approx(-10 * np.log10(other.mse))
    assert similarity(before, before, np.zeros((64, 64), bool)) is None


def test_a_mask_is_its_runs_and_the_border() -> None:
    mask = pair().mask()
    assert mask.shape == (512, 512) and mask.dtype == bool
    assert mask[10, 20:25].all() and not mask[10, 25] and mask[11, 21] and not mask[11, 22]
    assert mask[0].all() and mask[-1].all() and mask[:, 0].all() and mask[:, -1].all()
    assert mask.sum() == 7 + 4 * 511


def test_a_run_past_the_end_of_the_picture_is_cut() -> None:
    mask = pair(mask=[512 * 512 - 600, 10_000]).mask()
    assert mask[-1].all() and not np.delete(mask[:-2], [0, 511], axis=1)[1:].any()


@pytest.mark.parametrize("runs", [[1], [-5, 3], [5, -3], [512 * 512 + 1, 1]])
def test_a_mask_that_does_not_fit_is_told(runs: list[int]) -> None:
    with pytest.raises(InputError, match="The mask of 111000000000 must be pairs"):
        pair(mask=runs).mask()


@pytest.mark.parametrize(
    "changes", [{"original_prompt": 7}, {"mask": ["x"]}, {"blended_word": None}, {"mask": 3}]
)
def test_an_entry_that_is_broken_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="The entry '111000000000' is not as in PIE-Bench"):
        pair(**changes)
