"""The joint-attention model that ships: small, nothing in it twice, and it draws."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusion3Pipeline

from crossattn.pipelines.emoji_sd import model_path as emoji_sd_path
from crossattn.pipelines.emoji_sd3 import model_path
from crossattn.pipelines.emoji_sd3.export import main as export
from crossattn.pipelines.load import load
from crossattn.pipelines.shipped import SHIPPED
from crossattn.pipelines.tokenizers import load_tokenizers

pytestmark = pytest.mark.slow

PROMPT = "a big red ball on a beach"


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusion3Pipeline:
    return load("emoji-sd3")


def drawn(pipeline: StableDiffusion3Pipeline, **options: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(3)
    options = {**SHIPPED["emoji-sd3"].options, "num_inference_steps": 3, **options}
    [picture] = pipeline(PROMPT, guidance_scale=4.0, generator=generator, **options).images
    return np.asarray(picture)


def test_the_folder_is_small_and_holds_no_pickle_and_nothing_of_emoji_sd() -> None:
    files = [path for path in model_path().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 34_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md", ".png", ".jpg"}
    lent = {path.read_bytes() for path in emoji_sd_path().rglob("*") if path.is_file()}
    assert not [path for path in files if path.read_bytes() in lent]


def test_it_loads_in_full_precision_with_emoji_sds_autoencoder(
    pipeline: StableDiffusion3Pipeline,
) -> None:
    assert type(pipeline) is StableDiffusion3Pipeline
    for part in (pipeline.transformer, pipeline.text_encoder, pipeline.text_encoder_2):
        assert part.dtype == torch.float32
    lent = load("emoji-sd").vae.state_dict()
    assert all(torch.equal(lent[name], one) for name, one in pipeline.vae.state_dict().items())
    assert pipeline.scheduler.config.shift == 2.0


def test_its_prompts_are_tokenized_as_emoji_sds() -> None:
    [theirs], ours = load_tokenizers("emoji-sd").values(), load_tokenizers("emoji-sd3")
    assert list(ours) == ["clip", "clip-2"]
    for one in ours.values():
        assert one.tokenizer(PROMPT).input_ids == theirs.tokenizer(PROMPT).input_ids


def test_it_draws_the_same_picture_from_the_same_seed(pipeline: StableDiffusion3Pipeline) -> None:
    first, second = drawn(pipeline), drawn(pipeline)
    assert first.shape == (128, 128, 3)
    assert (first == second).all()
    assert first.std() > 10


def test_an_exported_folder_loads_with_nothing_said_and_draws_the_same(
    pipeline: StableDiffusion3Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "whole"
    export([str(folder)])
    theirs = StableDiffusion3Pipeline.from_pretrained(folder)
    theirs.set_progress_bar_config(disable=True)
    assert (drawn(theirs, num_inference_steps=1) == drawn(pipeline, num_inference_steps=1)).all()
    assert type(load(str(folder)).text_encoder_3) is type(theirs.text_encoder_3)
    with pytest.raises(SystemExit, match="2"):
        export([str(folder)])
    assert "name another" in capsys.readouterr().err
