import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crossattn.errors import ControlError, InputError, RecipeError, WordNotFoundError
from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.edit import edit, keep_source
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.regions import GRID, box_rows, picture_rows
from crossattn.pipelines.run import Result, run

LEFT = ("##..",) * 4


def recipe(**changes: Any) -> Recipe:
    fields: dict[str, Any] = {"prompt": "a red car", "seed": 7, "steps": 3, "guidance": 4.0}
    return Recipe(**{**fields, "height": 64, "width": 64, **changes})


def finish(events: Iterator[Progress | Result]) -> Result:
    *_, last = events
    assert isinstance(last, Result)
    return last


def inside(result: Result) -> float:
    heat = result.trace.by("mean")["car"].data
    left = heat[:, : heat.shape[1] // 2]
    return float(left.sum() / heat.sum())


def test_a_word_is_held_to_its_region(sd_pipe: Any) -> None:
    free = finish(run(recipe(), pipe=sd_pipe))
    held = finish(run(recipe(regions=[{"word": "car", "mask": LEFT}]), pipe=sd_pipe))
    assert inside(free) < 0.7
    assert inside(held) > 0.9


def test_two_of_one_word_are_held_to_places_of_their_own(sd_pipe: Any) -> None:
    right = tuple(row[::-1] for row in LEFT)
    regions = [{"word": "car#1", "mask": LEFT}, {"word": "car#2", "mask": right}]
    held = finish(run(recipe(prompt="a car, a car", regions=regions), pipe=sd_pipe))
    first, second = (held.trace.by("mean").word("car", number).data for number in (1, 2))
    half = first.shape[1] // 2
    assert first[:, :half].sum() > 0.9 * first.sum()
    assert second[:, half:].sum() > 0.9 * second.sum()


RIGHT = tuple(row[::-1] for row in LEFT)
TOP = ("####", "####", "....", "....")


def test_a_word_is_held_to_all_its_regions_together(sd_pipe: Any) -> None:
    def heat(*regions: tuple[str, tuple[str, ...]]) -> torch.Tensor:
        held = [{"word": word, "mask": mask} for word, mask in regions]
        return finish(run(recipe(regions=held), pipe=sd_pipe)).trace.by("mean")["car"].data

    free, union = heat(), ("####", "####", "##..", "##..")
    assert torch.equal(heat(("car", LEFT), ("car", RIGHT)), free)
    assert torch.equal(heat(("car", LEFT), ("car", TOP)), heat(("car", union)))
    assert torch.equal(heat(("red car", LEFT), ("car", TOP)), heat(("red", LEFT), ("car", union)))
    assert torch.equal(heat(("car", LEFT), ("car", ("#", "."))), heat(("car", union)))


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        ([{"word": "car", "mask": ["##"]}], 'region of "car" is the whole picture'),
        (
            [{"word": "red car", "mask": LEFT}, {"word": "car", "mask": TOP, "hold": 0.5}],
            '"car" has several regions that are held differently',
        ),
    ],
)
def test_regions_that_cannot_be_held_are_told_before_the_work(
    regions: list[dict[str, Any]], told: str, sd_pipe: Any
) -> None:
    with pytest.raises(ControlError, match=told):
        next(run(recipe(regions=regions), pipe=sd_pipe))


@pytest.mark.parametrize("change", [{"hold": 0.0}, {"window": (0.0, 0.0)}])
def test_a_region_without_hold_or_steps_changes_no_byte(
    sd_pipe: Any, change: dict[str, Any]
) -> None:
    free = finish(run(recipe(), pipe=sd_pipe))
    region = {"word": "car", "mask": LEFT, **change}
    loose = finish(run(recipe(regions=[region]), pipe=sd_pipe))
    assert np.array_equal(np.asarray(free.image), np.asarray(loose.image))
    assert torch.equal(free.trace["car"].data, loose.trace["car"].data)


def test_an_edit_holds_each_word_in_the_picture_that_has_it(sd_pipe: Any) -> None:
    car, dog = ({"word": word, "mask": LEFT} for word in ("car", "dog"))
    asked = recipe(regions=[car, dog], edit={"prompt": "a red dog", "blend": None})
    *_, done = edit(asked, pipe=sd_pipe)
    assert done.result.recipe.regions == asked.regions
    *_, held = edit(asked.replace(regions=[car]), pipe=sd_pipe)
    assert np.array_equal(
        np.asarray(done.source.result.image), np.asarray(held.source.result.image)
    )
    assert not np.array_equal(np.asarray(done.result.image), np.asarray(held.result.image))
    *_, source = keep_source(asked, pipe=sd_pipe)
    assert source.result.recipe.regions == asked.regions[:1]
    with pytest.raises(WordNotFoundError, match="boat"):
        list(edit(asked.replace(regions=[{**car, "word": "boat"}]), pipe=sd_pipe))


def test_a_box_is_a_mask_that_is_never_empty() -> None:
    rows = box_rows(0, 0.5, 0.25, 1)
    assert [row.count("#") for row in rows] == [0] * (GRID // 2) + [GRID // 4] * (GRID // 2)
    assert "".join(box_rows(0.501, 0.501, 0.502, 0.502)).count("#") == 1
    with pytest.raises(ControlError, match="left < right"):
        box_rows(0.5, 0, 0.5, 1)


def test_a_picture_is_a_mask_where_it_is_white(tmp_path: Path) -> None:
    picture = Image.new("L", (200, 100))
    picture.paste(255, (0, 0, 100, 100))
    picture.save(tmp_path / "left.png")
    assert picture_rows(tmp_path / "left.png") == ("#" * 32 + "." * 32,) * 32
    Image.new("L", (8, 8)).save(tmp_path / "dark.png")
    with pytest.raises(InputError, match="white where the word may be"):
        picture_rows(tmp_path / "dark.png")


def test_a_recipe_with_regions_survives_json() -> None:
    kept = recipe(regions=[{"word": "red car", "mask": LEFT, "hold": 0.5, "window": (0.1, 0.9)}])
    assert Recipe.from_json(kept.to_json()) == kept
    assert json.loads(kept.to_json())["regions"][0]["mask"] == list(LEFT)


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ({"word": "car", "mask": ["#.", "#"]}, "regions.mask must be rows of equal length"),
        ({"word": "car", "mask": ["..", ".."]}, "at least one #"),
        ({"word": "car", "mask": ["#"], "hold": float("nan")}, "regions.hold must be a number"),
        ({"word": "car", "mask": ["#"], "window": (1.0, 0.0)}, "regions.window must be two shares"),
        ({"word": "car", "mask": ["#"], "holds": 1.0}, "did you mean hold?"),
    ],
)
def test_a_region_that_is_none_is_told_in_one_sentence(region: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told.replace("?", r"\?")):
        recipe(regions=[region])
