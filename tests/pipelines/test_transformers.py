"""Real transformers' folders and single files: loaded, with their own choices, or refused."""

import json
import shutil
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crossattn.errors import ModelLoadError, RecipeError, UnsupportedModelError
from crossattn.pipelines.denoise import decode, denoise, encode, with_own_scheduler
from crossattn.pipelines.load import load
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run
from crossattn.pipelines.settle import settle
from crossattn.pipelines.shipped import SHIPPED
from tests.conftest import tiny_tokenizer

pytestmark = pytest.mark.slow

LETTERS = [letter for letter in string.printable if not letter.isspace()]


def flow(**settings: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**settings)


def autoencoder(levels: int = 4) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=4,
        shift_factor=0.0,
    )


def clip(pooled: bool = True) -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = tiny_tokenizer()
    size = {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 16}
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), num_hidden_layers=2, num_attention_heads=2, **size
    )
    return (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config), tokenizer


def t5() -> tuple[Any, Any]:
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    tokenizer = T5Tokenizer(vocab=[(piece, -1.0) for piece in pieces], extra_ids=0)
    size = {"d_model": 32, "d_kv": 8, "d_ff": 8, "num_layers": 1, "num_heads": 2}
    return T5EncoderModel(T5Config(vocab_size=len(tokenizer), **size)), tokenizer


def qwen_tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    letters = {letter: number for number, letter in enumerate([*LETTERS, "Ġ", "<|endoftext|>"])}
    return Qwen2Tokenizer(vocab=letters, merges=[])


def small_lm(kind: str) -> Any:
    import transformers

    size = {"hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 200}
    config = getattr(transformers, f"{kind}Config")(**size, **heads)
    return getattr(transformers, f"{kind}Model")(config)


def sd3() -> Any:
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    (first, one), (second, two), (third, three) = clip(), clip(), t5()
    transformer = SD3Transformer2DModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
    )
    return StableDiffusion3Pipeline(
        transformer, flow(shift=3.0), autoencoder(), first, one, second, two, third, three
    )


def flux(schnell: bool = False) -> Any:
    from diffusers import FluxPipeline, FluxTransformer2DModel

    (first, one), (second, two) = clip(pooled=False), t5()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=not schnell,
        axes_dims_rope=(4, 4, 8),
    )
    scheduler = flow(use_dynamic_shifting=not schnell)
    return FluxPipeline(scheduler, autoencoder(), first, one, second, two, transformer)


def pixart(sigma: bool = False) -> Any:
    from diffusers import (
        DPMSolverMultistepScheduler,
        PixArtAlphaPipeline,
        PixArtSigmaPipeline,
        PixArtTransformer2DModel,
    )

    encoder, tokenizer = t5()
    transformer = PixArtTransformer2DModel(
        sample_size=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=32,
        cross_attention_dim=16,
        use_additional_conditions=False,
    )
    kind = PixArtSigmaPipeline if sigma else PixArtAlphaPipeline
    scheduler = DPMSolverMultistepScheduler()
    return kind(tokenizer, encoder, autoencoder(), transformer, scheduler)


def sana() -> Any:
    from diffusers import (
        AutoencoderDC,
        DPMSolverMultistepScheduler,
        SanaPipeline,
        SanaTransformer2DModel,
    )
    from transformers import GemmaTokenizer

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *LETTERS]
    levels = {
        side: {
            f"{side}_block_types": ("ResBlock", "ResBlock"),
            f"{side}_block_out_channels": (4, 4),
            f"{side}_layers_per_block": (1, 1),
            f"{side}_qkv_multiscales": ((), ()),
        }
        for side in ("encoder", "decoder")
    }
    vae = AutoencoderDC(in_channels=3, latent_channels=4, **levels["encoder"], **levels["decoder"])
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=32,
        sample_size=16,
    )
    return SanaPipeline(
        tokenizer=GemmaTokenizer(vocab={piece: n for n, piece in enumerate(pieces)}, merges=[]),
        text_encoder=small_lm("Gemma2"),
        vae=vae,
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True
        ),
    )


def qwen_image() -> Any:
    from diffusers import AutoencoderKLQwenImage, QwenImagePipeline, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": 200,
        "rope_parameters": {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
    }
    eyes = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
    }
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=eyes)
    )
    vae = AutoencoderKLQwenImage(
        base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True], latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    scheduler = flow(use_dynamic_shifting=True)
    return QwenImagePipeline(scheduler, vae, encoder, qwen_tokenizer(), transformer)


def z_image() -> Any:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[8, 4, 4],
        axes_lens=[64, 32, 32],
    )
    return ZImagePipeline(
        flow(shift=6.0), autoencoder(), small_lm("Qwen3"), qwen_tokenizer(), transformer
    )


Own = tuple[int, float, int, int]
"""Steps, guidance, side in pixels, and what sides must be multiples of."""

REAL: dict[str, tuple[Callable[[], Any], Own]] = {
    "SD3": (sd3, (28, 7.0, 128, 16)),
    "FLUX.1-dev": (flux, (28, 3.5, 1024, 16)),
    "FLUX.1-schnell": (lambda: flux(schnell=True), (4, 0.0, 1024, 16)),
    "PixArt α": (pixart, (20, 4.5, 128, 16)),
    "PixArt Σ": (lambda: pixart(sigma=True), (20, 4.5, 128, 16)),
    "Sana": (sana, (20, 4.5, 32, 2)),
    "Qwen-Image": (qwen_image, (50, 4.0, 1024, 16)),
    "Z-Image": (z_image, (50, 5.0, 1024, 16)),
}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of tiny pipelines by name, each saved when it is first asked for."""
    root = tmp_path_factory.mktemp("transformers")

    def folder(name: str) -> Path:
        if not (root / name).exists():
            torch.manual_seed(0)
            REAL[name][0]().save_pretrained(root / name)
        return root / name

    return folder


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


@pytest.mark.parametrize("name", ["FLUX.1-dev", "PixArt α"])
def test_what_recipes_do_not_draw_with_is_named(
    name: str, folder_of: Callable[[str], Path]
) -> None:
    pipe = load(str(folder_of(name)))
    with pytest.raises(UnsupportedModelError, match=f"{type(pipe).__name__} can be loaded"):
        settle(Recipe(prompt="a car", model=str(folder_of(name))), pipe)


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
