"""Real transformers' folders and single files: loaded, with their own choices, or refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_transformers import REAL

from crossattn.errors import ModelLoadError, RecipeError
from crossattn.pipelines.denoise import decode, denoise, encode, with_own_scheduler
from crossattn.pipelines.load import load
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run
from crossattn.pipelines.settle import settle
from crossattn.pipelines.shipped import SHIPPED

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", REAL)
def test_a_folder_loads_with_its_own_steps_guidance_size_and_scheduler(
    name: str, folder_of: Callable[[str], Path]
) -> None:
    folder = folder_of(name)
    index = json.loads((folder / "model_index.json").read_text())
    pipe = load(str(folder))
    assert type(pipe).__name__ == index["_class_name"]
    assert type(pipe.scheduler).__name__ == index["scheduler"][1]
    own = defaults_of(pipe)
    assert (own.steps, own.guidance, own.height, own.multiple) == REAL[name][1]
    assert own.height == own.width


@pytest.mark.parametrize("name", ["SD3", "FLUX.1-dev", "PixArt α", "Sana", "Qwen-Image", "Z-Image"])
def test_weights_come_in_half_precision_if_asked(
    name: str, folder_of: Callable[[str], Path]
) -> None:
    pipe = load(str(folder_of(name)), dtype="bfloat16")
    for part in ("transformer", "vae", "text_encoder"):
        assert next(getattr(pipe, part).parameters()).dtype == torch.bfloat16, part


@pytest.mark.parametrize(("name", "steps"), [("SD3", 4), ("Z-Image", 8)])
def test_a_turbo_is_known_by_its_name_and_drawn_in_few_steps_without_guidance(
    name: str, steps: int, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    turbo = shutil.copytree(folder_of(name), tmp_path / "mine-Turbo")
    own = defaults_of(load(str(turbo)))
    assert (own.steps, own.guidance) == (steps, 0.0)


@pytest.mark.parametrize("name", ["SD3", "FLUX.1-dev", "Sana", "Qwen-Image", "Z-Image"])
def test_a_single_file_takes_the_place_of_its_folders_transformer(
    name: str, folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = folder_of(name)
    one = tmp_path / "mine.safetensors"
    shutil.copy(folder / "transformer" / "diffusion_pytorch_model.safetensors", one)
    theirs, ours = load(str(folder)), load(str(one), config=str(folder))
    assert type(ours) is type(theirs)
    whole = theirs.transformer.state_dict()
    assert all(torch.equal(whole[k], v) for k, v in ours.transformer.state_dict().items())


def test_a_single_file_of_a_kind_that_has_none_is_refused(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = folder_of("PixArt α")
    one = tmp_path / "mine.safetensors"
    shutil.copy(folder / "transformer" / "diffusion_pytorch_model.safetensors", one)
    with pytest.raises(ModelLoadError, match=r"PixArtTransformer2DModel .* give its folder"):
        load(str(one), config=str(folder))


def test_a_part_of_another_kind_is_refused(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folder_of("FLUX.1-dev"), tmp_path / "model"))
    path = folder / "model_index.json"
    index = json.loads(path.read_text())
    index["transformer"] = ["diffusers", "SD3Transformer2DModel"]
    path.write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match="code is never run"):
        load(str(folder))


def test_a_size_that_leaves_half_a_token_is_told(folder_of: Callable[[str], Path]) -> None:
    recipe = Recipe(prompt="a car", model=str(folder_of("SD3")), height=72)
    with pytest.raises(RecipeError, match="multiple of 16"):
        settle(recipe, load(recipe.model))


def test_a_schedule_for_diffusion_is_refused_where_a_flow_is_followed(
    folder_of: Callable[[str], Path],
) -> None:
    with pytest.raises(RecipeError, match=r"ddim does not fit .* leave it out"):
        with_own_scheduler(load(str(folder_of("SD3"))), "ddim")


@pytest.mark.parametrize("guidance", [4.0, 1.0])
@pytest.mark.parametrize("model", ["SD3", "SD3, its shift by size", "emoji-sd3"])
def test_drawing_does_what_the_pipeline_does_to_the_last_bit(
    model: str, guidance: float, folder_of: Callable[[str], Path]
) -> None:
    pipe = load(model if model in SHIPPED else str(folder_of("SD3")))
    if "shift" in model:
        pipe = with_own_scheduler(pipe, None)
        pipe.scheduler = type(pipe.scheduler).from_config(
            pipe.scheduler.config, use_dynamic_shifting=True
        )
    own = defaults_of(pipe)
    size = {"height": 64, "width": 96}
    latents = pipe(
        "a red car",
        negative_prompt="blue",
        num_inference_steps=2,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(5),
        max_sequence_length=own.sequence,
        output_type="latent",
        **size,
    ).images
    text = encode(pipe, "a red car", "blue", guidance)
    generator = torch.Generator().manual_seed(5)
    *_, last = denoise(pipe, text, steps=2, guidance=guidance, generator=generator, **size)
    assert torch.equal(last.latents, latents)
    picture, censored = decode(pipe, last.latents, text.embeds.dtype, generator)
    assert picture.size == (96, 64) and not censored


def test_words_beyond_clips_77_tokens_are_read_by_t5_alone(
    folder_of: Callable[[str], Path],
) -> None:
    long = "a red car " + "and a small tree " * 8 + "on grass"
    recipe = Recipe(prompt=f"({long}:1.2)", model=str(folder_of("SD3")), steps=1)
    *_, result = run(recipe.replace(height=64, width=64))
    assert [note.split(" reads ")[0] for note in result.warnings] == [
        'The encoder "clip"',
        'The encoder "clip-2"',
    ]
    grass = result.trace.prompt.word("grass")
    assert grass.tokens[:2] == ((), ()) and min(grass.tokens[2]) >= 77
    assert result.trace["grass"].mass > 0
    assert result.recipe.dialect == "difference"


def test_what_ships_says_its_own_choices() -> None:
    own = defaults_of(load("emoji-sd3"))
    assert (own.steps, own.guidance, own.height, own.sequence) == (12, 4.0, 128, 16)
    own = defaults_of(load("emoji-sd"))
    assert (own.steps, own.guidance, own.width, own.sequence) == (25, 4.0, 128, None)
