"""Recipes that edit: the source once, each edit for one branch, and a report that tells."""

from typing import Any

import numpy as np
import pytest
import torch

from crossattn import Control, RecipeError, Step
from crossattn.controls import LocalBlend, Refine, Replace, Reweight, SourceRecorder, Window
from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.edit import Edited, Source, edit, keep_source
from crossattn.pipelines.edit_choices import windows
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run

BALL = "a big red ball on a beach"
SOURCE, TARGET = "a red car on grass", "a red balloon on grass"
DIALECTS = ["attention", "attention-normalised", "a1111", "comfy", "compel"]


def recipe(**changes: Any) -> Recipe:
    how = {"prompt": TARGET, "cross": (0, 0.8), "share": (0, 0.4)} | changes.pop("edit", {})
    return Recipe(prompt=SOURCE, steps=4, seed=3, guidance=4.0, edit=how, **changes)


def pixels(result: Any) -> np.ndarray:
    return np.asarray(result.image)


def finish(events: Any) -> Any:
    *_, last = events
    return last


def test_an_edit_and_its_controls_act_in_the_same_steps_unless_told(sd_pipe: Any) -> None:
    cross, share = windows(Recipe(prompt=SOURCE, edit={"prompt": TARGET}), sd_pipe)
    assert share == (0, 0)
    assert Window(*cross) == Replace().window == Refine().window == SourceRecorder().cross


def test_a_mask_of_the_whole_picture_has_no_outside_to_tell_of(sd_pipe: Any) -> None:
    found = finish(edit(recipe(edit={"blend": [], "threshold": 0.0}), pipe=sd_pipe)).report
    assert found.mask is not None and found.mask.all()
    assert found.outside is None
    assert found.inside == found.changed


def test_an_edit_gives_both_pictures_and_counts_the_steps_of_both(sd_pipe: Any) -> None:
    *steps, done = edit(recipe(), pipe=sd_pipe)
    assert isinstance(done, Edited)
    assert [(step.index, step.total) for step in steps] == [(i, 8) for i in range(8)]
    plain = finish(run(Recipe(prompt=SOURCE, steps=4, seed=3, guidance=4.0), pipe=sd_pipe))
    assert np.array_equal(pixels(done.source.result), pixels(plain))
    assert done.result.trace.prompt.text == TARGET


def test_a_kept_source_serves_edits_with_the_same_pictures(sd_pipe: Any) -> None:
    source = finish(keep_source(recipe(), pipe=sd_pipe))
    assert isinstance(source, Source)
    *steps, again = edit(recipe(), pipe=sd_pipe, source=source)
    assert len(steps) == 4
    alone = finish(edit(recipe(), pipe=sd_pipe))
    assert np.array_equal(pixels(again.result), pixels(alone.result))


def test_a_recipe_that_edits_runs_like_any_and_its_result_runs_again(sd_pipe: Any) -> None:
    result = finish(run(recipe(), pipe=sd_pipe))
    assert result.recipe.prompt == SOURCE
    assert result.recipe.edit is not None
    assert (result.recipe.edit.prompt, result.recipe.edit.mode) == (TARGET, "replace")
    again = finish(run(Recipe.from_json(result.recipe.to_json()), pipe=sd_pipe))
    assert np.array_equal(pixels(result), pixels(again))


def test_the_report_tells_what_was_touched_linked_and_changed(sd_pipe: Any) -> None:
    report = finish(edit(recipe(), pipe=sd_pipe)).report
    assert [(one.control, one.steps) for one in report.touched] == [
        ("Replace", 3),
        ("ShareSelfAttention", 1),
        ("LocalBlend", 4),
    ]
    assert all(one.layers > 0 for one in report.touched)
    assert [(word.text, word.source) for word in report.words] == [
        ("a", ("a",)),
        ("red", ("red",)),
        ("balloon", ("car",)),
        ("on", ("on",)),
        ("grass", ("grass",)),
    ]
    assert all(0 <= word.moved <= 1 for word in report.words if word.moved is not None)
    assert report.mask is not None and report.mask.shape == (64, 64)
    assert report.inside is not None


def test_words_that_are_new_are_reported_as_new(sd_pipe: Any) -> None:
    done = finish(edit(recipe(edit={"prompt": "a red car on the grass"}), pipe=sd_pipe))
    assert done.report.mode == "refine"
    assert done.report.unmatched == ("the",)
    assert [word.moved is None for word in done.report.words] == [False] * 4 + [True, False]


def test_an_edit_of_nothing_is_the_source(sd_pipe: Any) -> None:
    nothing = {"prompt": SOURCE, "blend": None}
    done = finish(edit(recipe(edit=nothing), pipe=sd_pipe))
    apart = np.abs(pixels(done.result).astype(int) - pixels(done.source.result).astype(int))
    assert apart.max() <= 1
    assert done.report.changed == 0


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["ddim", "dpm++", "euler", "euler-a", "lcm"])
def test_an_edit_that_begins_late_leaves_out_the_steps_before(sd_pipe: Any, scheduler: str) -> None:
    late = {"prompt": "a red (car:3) on grass", "begin": 0.5, "blend": None}
    nothing_shared = {**late, "cross": (0, 0), "share": (0, 0)}
    asked = recipe(scheduler=scheduler, dialect="attention", edit=nothing_shared)
    source = finish(keep_source(asked, pipe=sd_pipe))
    *steps, done = edit(asked, pipe=sd_pipe, source=source)
    assert steps[0].index == 2
    weight = Reweight({"car": 3.0}, window=Window(0.5, 1.0))
    whole = list(run(asked.replace(edit=None), pipe=sd_pipe, controls=[weight]))
    last = [event for event in whole if isinstance(event, Progress)][-1].latents
    torch.testing.assert_close(steps[-1].latents, last, atol=1e-4, rtol=1e-4)
    assert not np.array_equal(pixels(done.result), pixels(source.result))


def test_an_edit_that_begins_late_begins_with_a_whole_step_of_heun(sd_pipe: Any) -> None:
    asked = recipe(scheduler="heun", edit={"begin": 0.5})
    source = finish(keep_source(asked, pipe=sd_pipe))
    first, *_ = edit(asked, pipe=sd_pipe, source=source)
    assert (first.index, first.total) == (4, 7)


def test_windows_that_a_short_run_has_no_step_for_are_left_out(sd_pipe: Any) -> None:
    done = finish(edit(recipe(edit={"blend": None}).replace(steps=2), pipe=sd_pipe))
    assert [one.control for one in done.report.touched] == ["Replace"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_turns_a_word_up_and_tells_what_it_had(sd_pipe: Any, dialect: str) -> None:
    asked = Recipe(prompt="a (car:1.5) on (grass:0.5)", steps=2, seed=3, dialect=dialect)
    result = finish(run(asked, pipe=sd_pipe))
    plain = finish(run(asked.replace(prompt="a car on grass"), pipe=sd_pipe))
    assert not np.array_equal(pixels(result), pixels(plain))
    had = {word.text: word.had for word in result.words}
    assert had["car"] == pytest.approx(plain.words[1].mass, rel=0.05)
    car, grass = result.words[1], result.words[3]
    if dialect.startswith("attention"):
        assert car.mass > had["car"] and grass.mass < had["grass"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_works_with_two_text_encoders(sdxl_pipe: Any, dialect: str) -> None:
    asked = Recipe(
        prompt="a (car:1.5) on (grass:0.5)", steps=1, dialect=dialect, height=64, width=64
    )
    assert finish(run(asked, pipe=sdxl_pipe)).words[1].weight == 1.5


def test_a_source_of_another_recipe_is_refused(sd_pipe: Any) -> None:
    source = finish(keep_source(recipe(), pipe=sd_pipe))
    with pytest.raises(RecipeError, match="made with seed 3, the edit asks for 4"):
        finish(edit(recipe().replace(seed=4), pipe=sd_pipe, source=source))
    with pytest.raises(RecipeError, match="no edit"):
        finish(edit(recipe().replace(edit=None), pipe=sd_pipe, source=source))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"cross": (0.8, 0.2)}, "edit.cross must be two shares"),
        ({"words": {"balloon": (0, 2)}}, "edit.words must be words of the target"),
        ({"prompt": " "}, "edit.prompt must be the target"),
        ({"blend": None, "protect": ["grass"]}, "protect only with blend"),
        (
            {"crosses": (0, 1)},
            r"'edit.crosses' is not a field of a recipe \(did you mean cross\?\)",
        ),
    ],
)
def test_an_edit_that_cannot_be_is_told_in_one_sentence(how: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(edit=how)


@pytest.fixture(scope="module")
def joint_pipe() -> Any:
    return load("emoji-sd3")


def joint(pipe: Any, target: str, source: Source | None = None, **how: Any) -> Edited:
    asked = Recipe(
        model="emoji-sd3", prompt=BALL, steps=4, guidance=1.0, edit={"prompt": target, **how}
    )
    return finish(edit(asked, pipe=pipe, source=source))


@pytest.mark.slow
def test_in_joint_attention_pixels_follow_the_source_and_nouns_tell_where(joint_pipe: Any) -> None:
    done = joint(joint_pipe, "a big blue ball on a beach")
    assert [(one.control, one.steps) for one in done.report.touched] == [
        ("ShareSelfAttention", 2),
        ("LocalBlend", 4),
    ]
    made = done.result.recipe.edit
    assert (made.cross, made.share, made.by, made.threshold) == ((0, 0), (0, 0.6), "nouns", 0.4)
    ball = done.source.result.trace["ball"].resize(128, 128).mask(0.4)
    assert (done.report.mask & ball).sum() > 0.9 * ball.sum()
    named = joint(joint_pipe, "a big blue ball on a beach", done.source, blend=["ball"])
    assert torch.equal(named.report.mask, done.report.mask)
    held = joint(joint_pipe, "a big blue ball on a beach", done.source, protect=["ball"])
    assert (held.report.mask & ball).sum() < 0.1 * ball.sum()


@pytest.mark.slow
def test_where_a_place_changes_all_may_but_what_stays(joint_pipe: Any) -> None:
    done = joint(joint_pipe, "a big red ball at night")
    assert done.result.recipe.edit.share == (0, 0.2)
    ball = done.source.result.trace["ball"].resize(128, 128).mask(0.4)
    assert (done.report.mask & ball).sum() < 0.1 * ball.sum()
    assert done.report.mask.float().mean() > 0.5


@pytest.mark.slow
def test_things_keep_a_margin_at_first_where_their_place_changes(joint_pipe: Any) -> None:
    source = joint(joint_pipe, "a big red ball at night").source
    blend = LocalBlend(margin=Window(0, 0.5), source=source.run)
    free: list[int] = []

    class Look(Control):
        def after_step(self, step: Step, latents: torch.Tensor) -> torch.Tensor:
            free.append(int(blend.masks[0].sum()))
            return latents

    night = source.result.recipe.replace(prompt="a big red ball at night")
    finish(run(night, pipe=joint_pipe, controls=[blend, Look()]))
    assert free[0] == free[1] < free[2] == free[3]
