"""The judge: it says what renders show, and the scores count its answers as documented."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from crossattn.errors import InputError
from crossattn.pipelines.emoji_sd import Scene, describe, make_scene, render
from crossattn.pipelines.emoji_sd.judge import Judge, Sighting, Verdict, relation
from crossattn.pipelines.emoji_sd.scores import Tally, judge_renders, rank_correlation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


def perfect(scene: Scene) -> Verdict:
    things = tuple(Sighting(t.name, t.colour, t.size, t.x, t.y, 1.0) for t in scene.things)
    return Verdict(things, scene.place, scene.amount, scene.style, 0.0)


def test_the_judge_that_ships_knows_what_renders_show(judge: Judge) -> None:
    accuracy = judge_renders(judge, 80)
    assert min(accuracy.values()) > 0.95, accuracy


def test_it_takes_pil_pictures_and_arrays_alike(judge: Judge) -> None:
    pixels = render(make_scene(1, "fresh")).pixels
    assert judge.look([pixels]) == judge.look([Image.fromarray(pixels)])
    assert judge.look([]) == []


@pytest.mark.parametrize("shape", [(64, 64, 3), (128, 128), (128, 128, 4)])
def test_a_picture_of_another_shape_is_refused(judge: Judge, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="128×128"):
        judge.look([np.zeros(shape, np.uint8)])


def test_a_colour_swap_is_seen_and_nothing_else_changes(judge: Judge) -> None:
    scene = replace(make_scene(8, "fresh"), amount="none")
    before, after = judge.look(
        [render(scene.with_thing(0, colour=c)).pixels for c in ("red", "blue")]
    )
    name = scene.things[0].name
    found = before.find(name), after.find(name)
    assert found[0] is not None and found[1] is not None
    assert (found[0].colour, found[1].colour) == ("red", "blue")
    assert before.place == after.place


def test_the_surest_of_two_sightings_is_found() -> None:
    first, second = (Sighting("cat", None, "big", 0, 0, sure) for sure in (0.4, 0.9))
    verdict = Verdict((first, second), "sea", "none", "picture", 0.0)
    assert verdict.find("cat") == second
    assert verdict.find("dog") is None


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [(20, 60, "left of"), (110, 60, "right of"), (60, 10, "above"), (60, 120, "below")],
)
def test_a_relation_follows_the_longer_way(x: float, y: float, said: str) -> None:
    middle = Sighting("cat", None, "big", 64, 64, 1.0)
    assert relation(Sighting("dog", None, "big", x, y, 1.0), middle) == said


def test_a_perfect_painter_scores_full_marks() -> None:
    tally = Tally()
    for seed in range(200):
        scene = make_scene(seed, "fresh")
        tally.add(scene, perfect(scene))
    assert all(share == pytest.approx(1.0) for share in tally.summary().values())
    assert tally.asked["object"] > 200


def test_a_missing_object_is_wrong_once_and_asked_nothing_else() -> None:
    scene = make_scene(2, "fresh")
    tally = Tally()
    tally.add(scene, replace(perfect(scene), things=()))
    assert tally.right["object"] == 0
    assert not {"colour", "size", "relation"} & tally.asked.keys()


def test_only_what_the_caption_says_is_asked() -> None:
    scene = next(
        scene
        for scene in (make_scene(seed, "fresh") for seed in range(100))
        if "place" not in describe(scene).spans
    )
    tally = Tally()
    tally.add(scene, perfect(scene))
    assert "place" not in tally.asked


def test_ranks_of_equal_numbers_are_shared() -> None:
    assert rank_correlation(np.array([[0, 1], [1, 2], [2, 3.0]])) == pytest.approx(1)
    assert rank_correlation(np.array([[0, 3], [1, 2], [2, 1.0]])) == pytest.approx(-1)
    tied = np.array([[0, 0], [0, 0], [1, 1], [1, 1.0]])
    assert rank_correlation(tied) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.array([[1, 0], [1, 1.0]])))
