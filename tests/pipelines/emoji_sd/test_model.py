"""The model that ships: small, complete, an ordinary folder, and it draws."""

import json

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from crossattn.pipelines.emoji_sd import make_scene, model_path, render, words
from crossattn.pipelines.emoji_sd.autoencoder import encode, to_tensor

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(model_path())
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_the_folder_is_small_and_holds_no_pickle() -> None:
    files = [path for path in model_path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 40 * 2**20
    kinds = {path.suffix for path in files}
    assert kinds <= {".json", ".txt", ".safetensors", ".md", ".png", ".jpg"}


def test_it_loads_in_full_precision_with_nothing_missing(
    pipeline: StableDiffusionPipeline,
) -> None:
    for part in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
        assert part.dtype == torch.float32
        assert all(torch.isfinite(weight).all() for weight in part.parameters())
    assert pipeline.safety_checker is None
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def test_it_draws_the_same_picture_from_the_same_seed(pipeline: StableDiffusionPipeline) -> None:
    first, second = (
        np.asarray(
            pipeline(
                "a big red ball on a beach",
                num_inference_steps=3,
                guidance_scale=4.0,
                generator=torch.Generator().manual_seed(3),
            ).images[0]
        )
        for _ in range(2)
    )
    assert first.shape == (128, 128, 3)
    assert (first == second).all()
    assert first.std() > 10


@pytest.mark.parametrize(("height", "width"), [(128, 160), (96, 128), (64, 64)])
def test_it_draws_any_size_that_16_divides(
    pipeline: StableDiffusionPipeline, height: int, width: int
) -> None:
    picture = pipeline("a cat", height=height, width=width, num_inference_steps=2).images[0]
    assert picture.size == (width, height)


def test_its_autoencoder_gives_scenes_back(pipeline: StableDiffusionPipeline) -> None:
    wanted = to_tensor(
        np.stack([render(make_scene(seed, "fresh")).pixels for seed in range(900, 908)])
    )
    with torch.inference_mode():
        drawn = pipeline.vae.decode(encode(pipeline.vae, wanted)).sample.clamp(-1, 1)
    decibels = 10 * torch.log10(4 / (drawn - wanted).square().mean((1, 2, 3)))
    assert decibels.mean() > 27


def test_a_place_colours_the_picture(pipeline: StableDiffusionPipeline) -> None:
    night, day = (
        np.asarray(
            pipeline(
                f"a small white cat {place}",
                num_inference_steps=8,
                guidance_scale=4.0,
                generator=torch.Generator().manual_seed(1),
            ).images[0]
        ).mean()
        for place in ("at night", "on a beach")
    )
    assert night < 0.6 * day


def test_the_card_states_scores_and_the_whole_vocabulary() -> None:
    card = (model_path() / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(word in card for word in words())
    scores = json.loads((model_path() / "scores.json").read_text(encoding="utf-8"))
    assert scores["prompts"] >= 500
    assert {"judge", "fresh", "heldout", "all"} <= scores.keys()
