"""Scenes: one seed, one scene; its truth is right; one change changes one thing."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.pipelines.emoji_sd import describe, make_scene, render, scenes
from crossattn.pipelines.emoji_sd.scenes import SIDE, held_out, held_out_pair, held_out_relation
from crossattn.pipelines.emoji_sd.vocabulary import (
    AMOUNTS,
    COLOURS,
    OBJECTS,
    PLACES,
    RELATIONS,
    SIZES,
    STYLES,
    words,
)

quick = settings(deadline=None, max_examples=25)
seeds = st.integers(min_value=0, max_value=2**40)
splits = st.sampled_from(["train", "fresh", "heldout"])


def test_the_world_is_as_rich_as_promised() -> None:
    assert len(OBJECTS) >= 32
    assert len(COLOURS) == 8
    assert (len(SIZES), len(PLACES), len(RELATIONS), len(STYLES)) == (3, 6, 4, 2)
    assert len(AMOUNTS) == 4


@quick
@given(seeds, splits)
def test_a_seed_always_gives_the_same_scene_picture_and_caption(seed: int, split: str) -> None:
    first, again = make_scene(seed, split), make_scene(seed, split)
    assert first == again
    assert (render(first).pixels == render(again).pixels).all()
    assert describe(first) == describe(again)


def test_seeds_and_splits_give_different_scenes() -> None:
    assert len(set(scenes("train", 0, 200))) == 200
    assert make_scene(5, "train") != make_scene(5, "fresh")


@quick
@given(seeds, splits)
def test_a_picture_and_its_truth_have_the_promised_shapes(seed: int, split: str) -> None:
    scene = make_scene(seed, split)
    drawn = render(scene)
    assert drawn.pixels.shape == (SIDE, SIDE, 3)
    assert drawn.masks.shape == (len(scene.things), SIDE, SIDE)
    assert (drawn.masks.sum(axis=0) <= 1).all(), "two objects claim one pixel"
    for mask, (left, top, right, bottom) in zip(drawn.masks, drawn.boxes, strict=True):
        assert mask[top:bottom, left:right].sum() == mask.sum() > 0
        assert mask[top].any() and mask[bottom - 1].any()
        assert mask[:, left].any() and mask[:, right - 1].any()


@quick
@given(seeds)
def test_a_mask_covers_exactly_the_pixels_that_its_object_changed(seed: int) -> None:
    scene = replace(make_scene(seed), amount="none")
    without = render(replace(scene, things=scene.things[:-1])).pixels
    drawn = render(scene)
    changed = (without != drawn.pixels).any(axis=-1)
    assert not (changed & ~drawn.masks[-1]).any()
    assert changed.sum() > 0.8 * drawn.masks[-1].sum()


@quick
@given(seeds, st.sampled_from(["name", "colour"]))
def test_another_object_or_colour_changes_nothing_outside_the_two_masks(
    seed: int, what: str
) -> None:
    scene = make_scene(seed)
    old = getattr(scene.things[0], what)
    options = list(OBJECTS if what == "name" else COLOURS)
    new = options[(options.index(old) + 1) % len(options)] if old in options else options[0]
    other = scene.with_thing(0, **{what: new})
    before, after = render(scene), render(other)
    # Each alone, because the soft edge of an object in front lets the one behind shine through.
    alone = [render(replace(one, things=one.things[:1])).masks[0] for one in (scene, other)]
    outside = ~(alone[0] | alone[1])
    assert (before.pixels[outside] == after.pixels[outside]).all()
    assert (before.pixels != after.pixels).any()
    if what == "colour":
        assert (before.masks == after.masks).all()


@quick
@given(seeds)
def test_another_place_keeps_the_objects_where_they_are(seed: int) -> None:
    scene = make_scene(seed)
    other = replace(scene, place=next(place for place in PLACES if place != scene.place))
    before, after = render(scene), render(other)
    assert (before.masks == after.masks).all()
    assert (before.pixels != after.pixels).any()


def test_more_snow_adds_flakes_and_keeps_those_that_fell() -> None:
    scene = replace(make_scene(3), place="night", style="picture", things=())
    skies = [render(replace(scene, amount=amount)).pixels.astype(int) for amount in AMOUNTS]
    for less, more in itertools.pairwise(skies):
        fallen = (less >= 253).all(axis=-1)
        assert (more >= 253).all(axis=-1).sum() > fallen.sum()
        assert (more[fallen] >= 250).all()


@quick
@given(seeds)
def test_a_bigger_size_makes_a_bigger_object(seed: int) -> None:
    scene = replace(make_scene(seed), things=make_scene(seed).things[:1])
    areas = [render(scene.with_thing(0, size=size)).masks[0].sum() for size in SIZES]
    assert areas == sorted(areas)
    assert len(set(areas)) == 3


@quick
@given(seeds)
def test_the_stated_relation_is_how_the_objects_lie(seed: int) -> None:
    scene = make_scene(seed)
    if scene.relation is None:
        assert len(scene.things) == 1
        return
    first, second = scene.things[:2]
    gaps = {
        "left of": second.x - first.x,
        "right of": first.x - second.x,
        "above": second.y - first.y,
        "below": first.y - second.y,
    }
    assert gaps[scene.relation] == max(gaps.values()) > 20


def test_training_never_shows_a_held_out_pair_or_arrangement() -> None:
    for scene in scenes("train", 0, 3000):
        assert not held_out(scene)
        assert not any(held_out_pair(thing.name, thing.colour) for thing in scene.things)


def test_every_held_out_scene_has_something_that_training_never_shows() -> None:
    assert all(held_out(scene) for scene in scenes("heldout", 0, 500))


def test_every_object_has_one_held_out_colour() -> None:
    for name in OBJECTS:
        assert sum(held_out_pair(name, colour) for colour in COLOURS) == 1
        assert not held_out_pair(name, None)


def test_an_arrangement_is_held_out_however_it_is_said() -> None:
    names = list(OBJECTS)
    kept = 0
    for first in names[:12]:
        for second in names[12:24]:
            left = held_out_relation(first, "left of", second)
            assert left == held_out_relation(second, "right of", first)
            assert held_out_relation(first, "above", second) == held_out_relation(
                second, "below", first
            )
            kept += left
    assert 0 < kept < 30


@quick
@given(seeds, splits)
def test_every_span_of_a_caption_names_its_truth(seed: int, split: str) -> None:
    scene = make_scene(seed, split)
    caption = describe(scene)
    said = {key: caption.text[start:end] for key, (start, end) in caption.spans.items()}
    for index, thing in enumerate(scene.things):
        assert said[f"object:{index}"] == thing.name
        assert said.get(f"colour:{index}") == thing.colour
        assert f"size:{index}" in said or thing.size == "medium"
    assert said.get("relation", "") in RELATIONS.get(scene.relation or "", ()) or not scene.stated
    assert said.get("place", PLACES[scene.place][0]) in PLACES[scene.place]
    assert ("amount" in said) == (scene.amount != "none")
    assert ("style" in said) or scene.style == "picture"
    assert set(caption.text.replace(",", "").split()) <= set(words())


def test_captions_vary_in_length_order_and_wording() -> None:
    captions = [describe(scene) for scene in scenes("train", 0, 400)]
    lengths = {len(caption.text.split()) for caption in captions}
    assert min(lengths) <= 4 and max(lengths) >= 20
    openings = {caption.spans.get("place", (1, 0))[0] == 0 for caption in captions}
    assert openings == {True, False}


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_changes_only_the_words_that_name_it(colour: str) -> None:
    scene = make_scene(11)
    before = describe(scene.with_thing(0, colour="red"))
    after = describe(scene.with_thing(0, colour=colour))
    start, end = after.spans["colour:0"]
    assert after.text[start:end] == colour
    assert after.text[end:] == before.text[before.spans["colour:0"][1] :]


def test_a_scene_is_cheap_to_draw() -> None:
    drawn = list(scenes("train", 0, 300))
    for scene in drawn:
        render(scene)
    started = time.process_time()
    for scene in drawn:
        assert np.any(render(scene).pixels)
    assert 300 / (time.process_time() - started) > 300
