from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossattn.errors import RecipeError, UnsupportedModelError
from crossattn.pipelines.denoise import Progress, with_own_scheduler
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

pytestmark = pytest.mark.slow

PROMPT = "a red car left of a blue balloon on grass"
SCHEDULERS = ("ddim", "dpm++", "euler", "euler-a", "heun", "lcm")


def finish(events: Iterator[Progress | Result]) -> Result:
    *_, last = events
    assert isinstance(last, Result)
    return last


def plain(pipe: Any, recipe: Recipe) -> np.ndarray:
    return np.asarray(
        with_own_scheduler(pipe, recipe.scheduler)(
            recipe.prompt,
            negative_prompt=recipe.negative_prompt or None,
            num_inference_steps=recipe.steps,
            guidance_scale=recipe.guidance,
            height=recipe.height,
            width=recipe.width,
            generator=torch.Generator("cpu").manual_seed(recipe.seed),
        ).images[0]
    )


@pytest.mark.parametrize("guidance", [1.0, 7.5])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("family", ["sd_pipe", "sdxl_pipe"])
def test_the_picture_equals_the_plain_pipelines_bit_for_bit(
    family: str, scheduler: Any, guidance: float, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family)
    recipe = Recipe(
        prompt=PROMPT,
        negative_prompt="a dog",
        seed=7,
        steps=4,
        guidance=guidance,
        height=64,
        width=96,
        scheduler=scheduler,
    )
    result = finish(run(recipe, pipe=pipe))
    assert np.array_equal(np.asarray(result.image), plain(pipe, recipe))
    assert result.image.size == (96, 64)


# The plain SDXL pipeline warns about its own way of raising the autoencoder to float32.
@pytest.mark.filterwarnings("ignore:.upcast_vae. is deprecated:FutureWarning")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("family", ["sd_pipe", "sdxl_pipe"])
def test_it_does_so_in_half_precision_too(
    family: str, dtype: Any, request: pytest.FixtureRequest
) -> None:
    pipe = request.getfixturevalue(family).to(getattr(torch, dtype))
    recipe = Recipe(prompt=PROMPT, steps=2, guidance=5.0, height=64, width=64, dtype=dtype)
    result = finish(run(recipe, pipe=pipe))
    assert np.array_equal(np.asarray(result.image), plain(pipe, recipe))
    assert pipe.vae.dtype == getattr(torch, dtype)


def test_it_does_so_for_a_model_that_takes_guidance_as_an_input(sd_pipe: Any) -> None:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    sd_pipe.unet = UNet2DConditionModel.from_config(sd_pipe.unet.config, time_cond_proj_dim=8)
    recipe = Recipe(prompt=PROMPT, steps=2, guidance=8.0, height=64, width=64, scheduler="lcm")
    result = finish(run(recipe, pipe=sd_pipe))
    assert np.array_equal(np.asarray(result.image), plain(sd_pipe, recipe))


def test_it_does_so_where_the_safety_checker_blacks_pictures_out_and_says_it(sd_pipe: Any) -> None:
    from transformers import CLIPImageProcessorPil

    sd_pipe.feature_extractor = CLIPImageProcessorPil(size=8, crop_size=8)
    sd_pipe.safety_checker = lambda images, clip_input: (torch.zeros_like(images), [True])
    recipe = Recipe(prompt=PROMPT, steps=2, guidance=1.0, height=64, width=64)
    result = finish(run(recipe, pipe=sd_pipe))
    assert np.array_equal(np.asarray(result.image), plain(sd_pipe, recipe))
    assert any("safety checker" in note for note in result.warnings)


def test_another_seed_is_another_picture_and_the_same_seed_the_same(sd_pipe: Any) -> None:
    def draw(seed: int) -> np.ndarray:
        recipe = Recipe(prompt=PROMPT, seed=seed, steps=2)
        return np.asarray(finish(run(recipe, pipe=sd_pipe)).image)

    assert np.array_equal(draw(1), draw(1))
    assert not np.array_equal(draw(1), draw(2))
    assert draw(2**63 - 1).shape == (64, 64, 3)


def test_it_tells_of_every_call_of_the_denoiser_and_ends_with_the_result(sd_pipe: Any) -> None:
    *steps, result = run(Recipe(prompt=PROMPT, steps=3, height=64, width=96), pipe=sd_pipe)
    assert isinstance(result, Result)
    for index, step in enumerate(steps):
        assert isinstance(step, Progress)
        assert (step.index, step.total) == (index, 3)
        assert step.latents.shape == (1, 4, 8, 12)
    assert len(steps) == 3


def test_what_the_recipe_left_open_is_filled_in_and_draws_the_same_again(
    sdxl_folder: Path,
) -> None:
    result = finish(run(Recipe(prompt=PROMPT, model=str(sdxl_folder), steps=2)))
    recipe = result.recipe
    assert (recipe.height, recipe.width, recipe.guidance, recipe.device) == (64, 64, 5.0, "cpu")
    assert set(recipe.versions) == {"crossattn", "torch", "diffusers", "transformers"}
    again = finish(run(Recipe.from_json(recipe.to_json())))
    assert again.recipe == recipe
    assert np.array_equal(np.asarray(again.image), np.asarray(result.image))


def test_each_word_comes_with_its_tokens_and_its_share_of_attention(sd_pipe: Any) -> None:
    result = finish(run(Recipe(prompt="a red balloon and a dog", steps=2), pipe=sd_pipe))
    words = {(word.text, word.occurrence): word.tokens for word in result.words}
    assert words["red", 1] == (2,)
    assert words["balloon", 1] == (3, 4, 5)
    assert words["a", 2] == (7,)
    assert all(0 < word.mass < 1 for word in result.words)
    assert result.trace["balloon"].data.shape == (8, 8)


def test_the_trace_keeps_as_many_groups_of_steps_as_were_asked_for(sd_pipe: Any) -> None:
    result = finish(run(Recipe(prompt=PROMPT, steps=4), pipe=sd_pipe, bins=2))
    first, second = (result.trace.at(steps=part)["car"] for part in (slice(0, 2), slice(2, 4)))
    assert not torch.equal(first.data, second.data)
    few = finish(run(Recipe(prompt=PROMPT, steps=2), pipe=sd_pipe, bins=8))
    assert few.trace.at(steps=0)["car"].data.shape == (8, 8)


def test_a_run_that_is_left_half_way_leaves_the_model_as_it_was(sd_pipe: Any) -> None:
    scheduler = sd_pipe.scheduler
    processors = list(sd_pipe.unet.attn_processors.values())
    events = run(Recipe(prompt=PROMPT, steps=4, scheduler="euler"), pipe=sd_pipe)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert sd_pipe.scheduler is scheduler
    after = list(sd_pipe.unet.attn_processors.values())
    assert all(one is two for one, two in zip(processors, after, strict=True))


def test_weights_change_the_picture_and_tell_the_attention_it_had(sd_pipe: Any) -> None:
    weighted = finish(
        run(Recipe(prompt="a (red:1.5) car", steps=1, dialect="attention"), pipe=sd_pipe)
    )
    clean = finish(run(Recipe(prompt="a red car", steps=1), pipe=sd_pipe))
    red = weighted.words[1]
    assert (red.text, red.weight) == ("red", 1.5)
    assert red.had == pytest.approx(clean.words[1].mass, rel=0.01)
    assert red.mass == pytest.approx(1.5 * red.had)
    assert clean.words[1].had is None


def test_a_negative_prompt_without_guidance_is_said_to_do_nothing(sd_pipe: Any) -> None:
    recipe = Recipe(prompt="a car", negative_prompt="a dog", guidance=1.0, steps=1)
    [note] = finish(run(recipe, pipe=sd_pipe)).warnings
    assert "negative prompt has no effect" in note


def test_values_that_stop_being_numbers_are_an_error_not_a_black_picture(sd_pipe: Any) -> None:
    torch.nn.init.constant_(sd_pipe.unet.conv_out.bias, float("nan"))
    with pytest.raises(UnsupportedModelError, match="stopped being numbers"):
        finish(run(Recipe(prompt=PROMPT, steps=1), pipe=sd_pipe))


def test_a_size_that_the_model_cannot_make_is_refused(sd_pipe: Any) -> None:
    sd_pipe.vae_scale_factor = 16
    with pytest.raises(RecipeError, match="width must be a multiple of 16"):
        next(run(Recipe(prompt=PROMPT, steps=1, width=72), pipe=sd_pipe))


def test_the_embedded_model_says_which_words_it_never_learned(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossattn.pipelines.emoji_sd.model_path", lambda: sd_folder)
    result = finish(run(Recipe(prompt="a red baloon", steps=1)))
    assert result.recipe.guidance == 4.0
    [note] = result.warnings
    assert "baloon" in note
    assert "balloon" in note
