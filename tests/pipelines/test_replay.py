from pathlib import Path

import pytest
from PIL import Image

from crossattn import InputError
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.replay import compare, drifted, with_original


def test_equal_pictures_have_no_pixel_apart() -> None:
    picture = Image.effect_noise((16, 8), 40).convert("RGB")
    assert compare(picture, picture.copy()) == (0, 0)


def test_pixels_apart_are_counted_and_the_largest_difference_told() -> None:
    before = Image.new("RGB", (16, 8), (10, 10, 10))
    after = before.copy()
    after.putpixel((3, 4), (10, 13, 10))
    after.putpixel((5, 4), (0, 10, 10))
    assert compare(before, after) == (2, 10)


def test_pictures_of_different_sizes_differ_everywhere() -> None:
    assert compare(Image.new("RGB", (16, 8)), Image.new("RGB", (8, 16))) == (128, 255)


def test_what_changed_between_two_runs_is_told() -> None:
    then = Recipe(prompt="a", device="cuda", versions={"torch": "2.9", "diffusers": "0.42"})
    now = then.replace(device="cpu", versions={"torch": "2.13", "diffusers": "0.42"})
    assert list(drifted(then, now)) == [
        "It was made with torch 2.9, and here is 2.13.",
        "It was made with device cuda, and now with cpu.",
    ]
    assert list(drifted(then, then.replace(threads=2))) == [
        "It was made on an unknown number of CPU threads, and now on 2."
    ]
    assert list(drifted(now, now)) == []


def test_the_picture_that_an_edit_is_made_of_is_looked_for_beside_it(tmp_path: Path) -> None:
    recipe = Recipe(prompt="a", picture={"path": "garden.jpg"}, edit={"prompt": "b"})
    file, elsewhere = tmp_path / "edit.png", tmp_path / "moved.jpg"
    with pytest.raises(InputError, match=r"made of the picture garden.jpg, which is not there"):
        with_original(recipe, file)
    for path in (tmp_path / "garden.jpg", elsewhere):
        path.touch()
    assert with_original(recipe, file).picture == recipe.picture.model_copy(
        update={"path": str(tmp_path / "garden.jpg")}
    )
    assert with_original(recipe, file, elsewhere).picture.path == str(elsewhere)
    drawn = Recipe(prompt="a")
    assert with_original(drawn, file) is drawn
    with pytest.raises(InputError, match="was drawn, and not made of a picture that exists"):
        with_original(drawn, file, elsewhere)
