"""A picture that exists: inverted exactly, edited for one branch, kept where nothing changes."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from photographs import CAPTION, TARGET, a_picture, last, recipe

from crossattn import ControlError, CrossattnError, RecipeError, attach, null_text
from crossattn.controls import LocalBlend, Window
from crossattn.course import Course
from crossattn.inversion import Following
from crossattn.inversion_methods import FLOW, Method
from crossattn.pipelines.denoise import Progress, denoise, encode, with_own_scheduler
from crossattn.pipelines.edit import edit, keep_source
from crossattn.pipelines.edit_choices import windows
from crossattn.pipelines.invert import encoded, fitted, invert, put_back
from crossattn.pipelines.joint import denoiser_of
from crossattn.pipelines.kept_size import kept_nbytes
from crossattn.pipelines.load import load
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run

MODELS = ["emoji-sd", "emoji-sd3"]


@torch.no_grad()
def again(pipe: Any, source: Any, text: str) -> torch.Tensor:
    """The latents that the source's own branch ends in when it is evaluated again."""
    joint = hasattr(pipe, "transformer")
    own = with_own_scheduler(pipe, None if joint else "ddim")
    said = encode(own, text, "", guidance=1.0)
    steps = len(source.kept.timesteps)
    size = {"height": 64, "width": 64, "steps": steps, "guidance": 1.0}
    noise = torch.Generator()
    return last(denoise(own, said, generator=noise, follow=Following(source), **size)).latents


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_shifted_run_ends_in_the_picture_to_the_last_bits(model: str) -> None:
    pipe, picture = load(model), a_picture()
    source = invert(pipe, picture, CAPTION, steps=3, method="shift")
    clean = encoded(pipe, picture)
    assert torch.equal(source.tensors["latents"][-1:], clean)
    assert (again(pipe, source, CAPTION) - clean).abs().max() < 1e-5
    plain = invert(pipe, picture, CAPTION, steps=3, method="ddim")
    assert (plain.tensors["latents"][-1:] - clean).abs().max() > 1e-2


@pytest.mark.parametrize("method", ["shift", "direct", "virtual", "edit-friendly"])
def test_what_a_source_knows_leads_its_scheduler_to_the_picture(sd_pipe: Any, method: Any) -> None:
    source = invert(sd_pipe, a_picture(), CAPTION, steps=4, method=method)
    own = with_own_scheduler(sd_pipe, "ddim")
    own.scheduler.set_timesteps(4)
    latents = source.tensors["start"]
    for step, timestep in enumerate(own.scheduler.timesteps):
        known = source.tensors["predicted"][step][None]
        latents = own.scheduler.step(known, timestep, latents, return_dict=False)[0]
        torch.testing.assert_close(latents[0], source.tensors["latents"][step], atol=2e-5, rtol=0)


def test_inverted_attention_is_that_of_the_denoiser_at_what_it_saw(sd_pipe: Any) -> None:
    direct, shift = (
        invert(sd_pipe, a_picture(), CAPTION, steps=4, method=method)
        for method in ("direct", "shift")
    )
    name = next(one for one in shift.tensors if one.startswith("self/") and one.endswith("/query"))
    # Step 1 of "direct" begins where step 0 of "shift" ends; only the timesteps differ by spacing.
    assert direct.tensors[name].shape == shift.tensors[name].shape
    assert torch.equal(direct.tensors["seen"][1], shift.tensors["seen"][0])
    assert direct.kept.cross == shift.kept.cross == (0, 1, 2, 3)
    assert torch.equal(direct.tensors["seen"], direct_path(direct))


def direct_path(source: Any) -> torch.Tensor:
    return torch.cat([source.tensors["start"], source.tensors["latents"][:-1]])


def test_the_steps_of_a_course_are_the_schedulers(sd_pipe: Any) -> None:
    torch.manual_seed(0)
    latents, predicted = torch.randn(2, 1, 4, 8, 8)
    for pipe in (sd_pipe, load("emoji-sd"), load("emoji-sd3")):
        own = with_own_scheduler(pipe, None)
        own.scheduler.set_timesteps(7)
        course = Course.read(own.scheduler)
        for step, timestep in enumerate(own.scheduler.timesteps):
            made = own.scheduler.step(predicted, timestep, latents, return_dict=False)[0]
            torch.testing.assert_close(course.step(step, latents, predicted), made)
            level = course.ends[step]
            parts = course.parts(level, made, predicted)
            torch.testing.assert_close(level.latents(*parts), made, atol=1e-5, rtol=1e-5)


def test_virtual_and_flow_edits_are_their_formulas() -> None:
    torch.manual_seed(0)
    latents, predicted = torch.randn(2, 1, 8, 8, 8)
    picture = a_picture()
    source = invert(load("emoji-sd3"), picture, CAPTION, steps=3, method="flowedit")
    clean, seen, said = (source.tensors[name] for name in ("start", "seen", "said"))
    shown, _ = Following(source).shown(1, latents)
    torch.testing.assert_close(shown, latents + seen[1] - clean)
    answer = Following(source).answer(1, latents, predicted)
    torch.testing.assert_close(answer, predicted - said[1])

    source = invert(load("emoji-sd"), picture, CAPTION, steps=3, method="virtual")
    course, seen, said = source.kept.course, source.tensors["seen"], source.tensors["said"]
    assert course is not None
    alpha, sigma = course.begins[1].signal, course.begins[1].noise
    answer = Following(source).answer(1, latents, predicted)
    noise, before = (alpha * v + sigma * x for v, x in ((predicted, latents), (said[1], seen[1])))
    clean = source.tensors["latents"][-1]
    moved = clean + ((latents - seen[1]) - sigma * (noise - before)) / alpha
    drawn = (seen[2] - course.begins[2].signal * clean) / course.begins[2].noise
    expected = course.begins[2].signal * moved + course.begins[2].noise * drawn
    torch.testing.assert_close(course.step(1, latents, answer), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", get_args(Method))
def test_an_unchanged_caption_gives_the_reconstruction(
    sd_pipe: Any, photo: str, method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(null_text, "ROUNDS", 6)
    if method in FLOW:
        sd_pipe = load("emoji-sd3")
    named = {"method": method, "put_back": False}
    for blend in ([], None):
        asked = recipe(photo, CAPTION, picture=named, edit={"blend": blend})
        done = last(edit(asked, pipe=sd_pipe))
        assert done.result.image.tobytes() == done.source.result.image.tobytes()
        assert done.result.image.size == (64, 64)


def test_a_mask_of_nothing_gives_the_picture_and_another_keeps_what_is_outside(
    sd_pipe: Any, photo: str
) -> None:
    whole = read_picture(Path(photo))
    done = last(edit(recipe(photo, edit={"mask": [".."]}), pipe=sd_pipe))
    assert done.result.image.tobytes() == whole.tobytes()
    done = last(edit(recipe(photo, edit={"mask": ["#...", "...."]}), pipe=sd_pipe))
    before, after = np.asarray(whole), np.asarray(done.result.image)
    assert np.array_equal(before[:, 90:], after[:, 90:])
    assert not np.array_equal(before[:40, :30], after[:40, :30])
    assert done.report.mask.shape == before.shape[:2]


def test_an_edit_of_an_inverted_picture_costs_one_branch(sd_pipe: Any, photo: str) -> None:
    rows: list[int] = []
    denoiser_of(sd_pipe).register_forward_pre_hook(
        lambda _, args, kwargs: rows.append(len(args[0])), with_kwargs=True
    )
    last(run(Recipe(prompt=CAPTION, steps=3, guidance=2.0, height=64, width=64), pipe=sd_pipe))
    plain, rows[:] = sum(rows), []
    source = last(keep_source(recipe(photo), pipe=sd_pipe))
    # The walk, which "direct" ends with an answer to the noise, and two noise levels at which the
    # words are found.
    assert (sum(rows), plain) == (3 + 1 + 2, 3 * 2)
    rows.clear()
    done = last(edit(recipe(photo), pipe=sd_pipe, source=source))
    assert sum(rows) == plain
    assert done.result.recipe.picture.sha256 and done.report.touched


@pytest.mark.parametrize("model", MODELS)
def test_the_memory_of_a_kept_run_is_known_before_it_is_made(model: str, photo: str) -> None:
    asked, pipe = recipe(photo, edit={"cross": (0, 1), "share": (0, 0.4)}), load(model)
    told = kept_nbytes(asked, pipe)
    kept = last(keep_source(asked, pipe=pipe, cross=Window(), share=Window(0.0, 0.4)))
    assert kept.run.nbytes == told


def test_things_keep_their_shape_where_only_what_is_said_of_them_changes(
    photo: str, sd_pipe: Any
) -> None:
    pipe = load("emoji-sd3")
    colour, place = "a blue car on grass", "a red car on the sea"
    found = [windows(recipe(photo, text), pipe) for text in (colour, TARGET, place)]
    none = (0.0, 0.0)
    assert found == [((0.0, 0.5),) * 2, (none, (0.0, 0.4)), (none, (0.0, 0.2))]
    assert windows(recipe(photo, colour), sd_pipe) == ((0.0, 0.8), (0.0, 0.8))
    drawn = recipe(photo, colour).replace(picture=None)
    assert windows(drawn, pipe)[1] == (0.0, 0.6)


def test_what_stays_has_a_margin_while_a_blend_says_so(sd_pipe: Any) -> None:
    source = invert(sd_pipe, a_picture(), CAPTION, steps=2)
    mask = torch.ones(8, 8, dtype=torch.bool)
    mask[4, 4] = False
    kept = {}
    for margin in (Window(0.0, 0.0), Window()):
        blend = LocalBlend((), mask=mask, margin=margin, source=source, window=Window())
        with attach(sd_pipe, blend, prompt=TARGET):
            sd_pipe(TARGET, num_inference_steps=2, height=64, width=64, output_type="latent")
        kept[margin] = int((~blend.masks[0]).sum())
    assert list(kept.values()) == [1, 9]


def test_a_recipe_of_a_picture_is_drawn_again_and_notices_another_file(
    sd_pipe: Any, photo: str
) -> None:
    done = last(edit(recipe(photo), pipe=sd_pipe))
    settled = Recipe.from_json(done.result.recipe.to_json())
    same = last(run(settled, pipe=sd_pipe))
    assert same.image.tobytes() == done.result.image.tobytes()
    a_picture(90, 150).save(photo)
    with pytest.raises(CrossattnError, match="is not the picture that the recipe was made with"):
        last(run(settled, pipe=sd_pipe))
    with pytest.raises(CrossattnError, match="The source was made with picture"):
        last(edit(recipe(photo), pipe=sd_pipe, source=done.source))


def test_the_words_of_a_picture_are_found_in_it(sd_pipe: Any, photo: str) -> None:
    asked = recipe(photo, None, height=None, width=None)
    (found,) = run(asked, pipe=sd_pipe)
    assert not isinstance(found, Progress)
    assert [heat.text for heat in found.trace.words] == CAPTION.split()
    assert found.image.size == (found.recipe.width, found.recipe.height) == (80, 64)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"picture": {"method": "flowedit"}}, "flowedit does not fit this model, which follows no"),
        ({"picture": {"path": "nowhere.jpg"}}, "There is no picture nowhere.jpg"),
        ({"prompt": "car " * 100}, "longer than the 75 tokens that the model reads at once"),
        ({"prompt": "a [red:blue:0.5] car"}, "one prompt alone is read here"),
        ({"scheduler": "heun"}, "inverted along ddim or a flow's own steps, not heun"),
        ({"edit": {"mask": ["#.", "#"]}}, "edit.mask must be rows of equal length"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    sd_pipe: Any, photo: str, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CrossattnError, match=sentence):
        last(edit(recipe(photo, **changes), pipe=sd_pipe))


def test_the_run_of_a_picture_is_not_kept_in_a_file(photo: str, sd_pipe: Any) -> None:
    with pytest.raises(RecipeError, match="kept in memory, not in run"):
        last(keep_source(recipe(photo), pipe=sd_pipe, file=Path("run.safetensors")))


def test_a_drawing_cannot_be_followed_and_a_flow_has_no_ancestral_noise(sd_pipe: Any) -> None:
    from crossattn.controls import SourceRecorder

    recorder = SourceRecorder()
    with attach(sd_pipe, recorder, prompt=CAPTION):
        sd_pipe(CAPTION, num_inference_steps=1, height=64, width=64, output_type="latent")
    with pytest.raises(ControlError, match="was drawn, not inverted"):
        Following(recorder.run)
    with pytest.raises(ControlError, match="edit-friendly does not fit this model, which follows"):
        invert(load("emoji-sd3"), a_picture(), CAPTION, steps=2, method="edit-friendly")


@pytest.mark.parametrize(
    ("size", "made"),
    [((128, 128), (128, 128)), ((4000, 3000), (144, 112)), ((10, 3000), (64, 2048))],
)
def test_a_picture_is_worked_on_at_the_models_own_number_of_pixels(
    size: tuple[int, int], made: tuple[int, int]
) -> None:
    assert fitted(size, 128 * 128) == made


def test_a_picture_that_was_edited_everywhere_is_put_back_at_its_size() -> None:
    whole = put_back(a_picture(150, 90), a_picture(64, 64), None)
    assert whole.size == (150, 90)
