"""Recipes that draw by a pipeline's own call: FLUX.1, PixArt, Sana, Qwen-Image and Z-Image."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_transformers import REAL

from crossattn.encoders import tokenizers_of
from crossattn.errors import CrossattnError, UnsupportedModelError
from crossattn.pipelines.existing import trace_picture
from crossattn.pipelines.load import load
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result
from crossattn.pipelines.run import run
from crossattn.pipelines.together import run_together
from crossattn.pipelines.tokenizers import load_tokenizers
from crossattn.ui.cli import call

pytestmark = pytest.mark.slow

PROMPT = "a red car on grass"
KINDS = [name for name in REAL if name != "SD3"]
UNLIKE = [name for name in KINDS if name not in ("FLUX.1-schnell", "PixArt α")]
"""Those that are asked in ways of their own."""
ASKED: dict[str, dict[str, Any]] = {
    "PixArt α": {"use_resolution_binning": False, "clean_caption": False},
    "PixArt Σ": {"use_resolution_binning": False, "clean_caption": False},
    "Sana": {"use_resolution_binning": False},
    "Qwen-Image": {"negative_prompt": " "},
}
"""What each pipeline is told besides."""


@pytest.fixture
def recipe_of(folder_of: Callable[[str], Path]) -> Callable[[str], Recipe]:
    return lambda name: Recipe(
        model=str(folder_of(name)), prompt=PROMPT, steps=2, height=64, width=96, seed=5
    )


def drawn(recipe: Recipe) -> Result:
    *_, result = run(recipe)
    assert isinstance(result, Result)
    return result


def pixels(result: Result) -> np.ndarray:
    return np.asarray(result.image, np.int16)


@pytest.mark.parametrize("name", KINDS)
def test_a_recipe_draws_what_the_pipeline_draws_and_again_the_same(
    name: str, recipe_of: Callable[[str], Recipe]
) -> None:
    recipe = recipe_of(name)
    pipe = load(recipe.model)
    own = defaults_of(pipe)
    scale = "true_cfg_scale" if name == "Qwen-Image" else "guidance_scale"
    theirs = pipe(
        PROMPT,
        num_inference_steps=2,
        height=64,
        width=96,
        generator=torch.Generator().manual_seed(5),
        max_sequence_length=own.sequence,
        **{scale: own.guidance},
        **ASKED.get(name, {}),
    ).images[0]
    *steps, result = run(recipe)
    assert isinstance(result, Result)
    assert (pixels(result) == np.asarray(theirs)).all()
    assert result.image.tobytes() == drawn(recipe).image.tobytes()
    assert [(step.index, step.total) for step in steps] == [(0, 2), (1, 2)]
    assert steps[-1].latents.ndim == 4
    assert [word.text for word in result.words] == PROMPT.split()
    assert all(word.mass > 0 for word in result.words)
    assert result.recipe.guidance == own.guidance and result.recipe.dialect == "difference"


@pytest.mark.parametrize("name", UNLIKE)
def test_weights_edits_and_regions_change_the_picture(
    name: str, recipe_of: Callable[[str], Recipe]
) -> None:
    recipe = recipe_of(name)
    plain = pixels(drawn(recipe))
    heavy = recipe.replace(prompt="a (red:5) (car:-3) on grass")
    assert (pixels(drawn(heavy)) != plain).any()
    looked = drawn(recipe.replace(prompt="a (red:5) car on grass", dialect="attention"))
    assert (pixels(looked) != plain).any()
    red = looked.words[1]
    assert red.had is not None and red.mass == pytest.approx(5 * red.had, rel=0.05)
    neutral = drawn(recipe.replace(prompt="a (red:1) car on grass"))
    assert (pixels(neutral) == plain).all()
    edited = drawn(recipe.replace(edit={"prompt": "a blue car on grass", "blend": None}))
    assert (pixels(edited) != plain).any()
    held = recipe.replace(regions=[{"word": "car", "mask": ["##..", "##.."]}])
    assert (pixels(drawn(held)) != plain).any()


@pytest.mark.parametrize("name", UNLIKE)
def test_its_maps_are_written_and_its_picture_is_replayed(
    name: str, recipe_of: Callable[[str], Recipe], tmp_path: Path
) -> None:
    recipe = recipe_of(name)
    model = ["--model", recipe.model, "--steps", "2", "--size", "96x64", "--seed", "5"]
    assert call(["heatmap", PROMPT, *model, "-o", str(tmp_path / "maps")]) == 0
    written = {file.name for file in (tmp_path / "maps").iterdir()}
    assert {"picture.png", "contact-sheet.png", "trace.safetensors"} <= written
    with Image.open(tmp_path / "maps" / "picture.png") as picture:
        assert (np.asarray(picture) == pixels(drawn(recipe))).all()
    assert call(["replay", str(tmp_path / "maps" / "picture.png")]) == 0


@pytest.mark.parametrize("name", REAL)
def test_prompts_are_explained_as_the_pipeline_reads_them(
    name: str, folder_of: Callable[[str], Path]
) -> None:
    folder = str(folder_of(name))
    theirs, ours = tokenizers_of(load(folder)), load_tokenizers(folder)
    assert list(ours) == list(theirs)
    for one, other in zip(ours.values(), theirs.values(), strict=True):
        assert (one.size, one.offset, one.around) == (other.size, other.offset, other.around)
        assert (one.dropped, one.left, one.lowered) == (other.dropped, other.left, other.lowered)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("FLUX.1-dev", {"prompt": "a [red|blue] car"}, "FluxPipeline draws by one prompt"),
        ("PixArt α", {"prompt": "a car AND grass"}, "PixArtAlphaPipeline draws by one prompt"),
        ("Z-Image", {"prompt": "a (red:2) car", "dialect": "a1111"}, "take difference"),
        ("Sana", {"negative_prompt": "(blue:2)", "dialect": "difference"}, "weighs no words"),
        ("Qwen-Image", {"edit": {"prompt": "a dog", "begin": 0.5}}, "leave edit.begin out"),
    ],
)
def test_what_a_call_cannot_be_asked_is_told(
    name: str, change: dict[str, Any], told: str, recipe_of: Callable[[str], Recipe]
) -> None:
    with pytest.raises(CrossattnError, match=told):
        drawn(recipe_of(name).replace(**change))


def test_it_takes_up_no_picture_that_exists(folder_of: Callable[[str], Path]) -> None:
    with pytest.raises(UnsupportedModelError, match="A FluxPipeline draws pictures, but"):
        trace_picture(load(str(folder_of("FLUX.1-dev"))), Image.new("RGB", (64, 64)), "a car")


def test_a_negative_prompt_that_a_distilled_model_does_not_read_is_told(
    recipe_of: Callable[[str], Recipe],
) -> None:
    result = drawn(recipe_of("FLUX.1-dev").replace(negative_prompt="blue"))
    assert any("takes guidance as an input" in note for note in result.warnings)


def test_a_run_may_be_left_at_any_step(recipe_of: Callable[[str], Recipe]) -> None:
    recipe, before = recipe_of("FLUX.1-dev"), threading.active_count()
    plain = pixels(drawn(recipe))
    events = run(recipe)
    next(events)
    events.close()
    assert threading.active_count() == before
    assert (pixels(drawn(recipe)) == plain).all()


def test_two_runs_at_once_are_each_as_if_alone(recipe_of: Callable[[str], Recipe]) -> None:
    first, second = recipe_of("Z-Image"), recipe_of("Z-Image").replace(prompt="a blue dog", seed=6)
    alone = [pixels(drawn(one)) for one in (first, second)]
    *_, ends = zip(run(first), run(second), strict=True)
    for one, end in zip(alone, ends, strict=True):
        assert isinstance(end, Result)
        assert (pixels(end) == one).all()


def test_pictures_drawn_together_come_one_after_another(
    recipe_of: Callable[[str], Recipe],
) -> None:
    recipes = [recipe_of("FLUX.1-dev").replace(prompt=text) for text in ("a dog", "a red cat")]
    for recipe, result in zip(recipes, run_together(recipes), strict=True):
        assert (pixels(result) == pixels(drawn(recipe))).all()
