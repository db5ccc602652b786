"""Fixtures shared by every test: no network, and tiny random models shaped like real ones."""

import gc
import os

# What is imported and collected lives to the end: looking for garbage would take a third of it.
gc.disable()
# One thread for each process of the tests and for those that they start.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
    from transformers import CLIPTokenizer

    from tests.copies import Copies

# A busy machine is no fault. For nights: `pytest --hypothesis-profile nightly --timeout 0`.
settings.register_profile("suite", deadline=None)
settings.register_profile("nightly", max_examples=10_000, deadline=None)
settings.load_profile("suite")


PAGE, HALF = "tests/ui/browser/", "tests/ui/browser/test_page_p"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With -n, the tests of a file stay together, which share models, and of the page each half."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            # A browser and two servers take half a minute to start.
            of_page = nodeid.startswith(PAGE)
            return f"{PAGE}{nodeid < HALF}" if of_page else super()._split_scope(nodeid)

    return Together(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With -n, what takes longest is begun first, so that no process waits for another's end."""
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: (not item.nodeid.startswith(PAGE), item.path not in slow))


def pytest_configure(config: pytest.Config) -> None:
    """Let through the warnings that other libraries raise and that nobody here can mend."""
    # diffusers' Euler and Heun schedulers hand numpy a tensor expression (numpy 2's copy keyword).
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation:DeprecationWarning")
    # diffusers' Chroma imports a class from where diffusers no longer wants it imported.
    config.addinivalue_line("filterwarnings", "ignore:`FluxPosEmbed` is deprecated:FutureWarning")


def pytest_collection_finish() -> None:
    """From here on there may be garbage."""
    gc.enable()


WHOLE_WORDS = ("red", "car", "left", "blue", "grass", "dog", "cat", "and", "the", "of", "on", "a")
"""Words that the tiny tokenizer takes as one token; any other takes several (balloon: 3)."""


def tiny_tokenizer() -> "CLIPTokenizer":
    """A CLIP tokenizer made in memory: any text works, a few words are one token each."""
    from transformers import CLIPTokenizer

    # The printable half of CLIP's byte alphabet stands for itself; the rest is shifted past 255.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
    pieces = [*letters, *(letter + "</w>" for letter in letters)]
    merges: list[tuple[str, str]] = []
    for word in (*WHOLE_WORDS, "ball"):
        symbols = [*word[:-1], word[-1] + ("" if word == "ball" else "</w>")]
        while len(symbols) > 1:
            merge = (symbols[0], symbols[1])
            symbols[:2] = ["".join(merge)]
            if merge not in merges:
                merges.append(merge)
                pieces.append(symbols[0])
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)


def _unet(cross_attention_dim: int, **config: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        # Words and pixels attend on two grids, of which the decoder has both.
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=cross_attention_dim,
        norm_num_groups=4,
        **config,
    )


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )


def _text_config(tokenizer: "CLIPTokenizer") -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@pytest.fixture(scope="session")
def sd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a Stable Diffusion 1 pipeline, tiny, with random weights (64 x 64)."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextModel

    torch.manual_seed(0)
    tokenizer = tiny_tokenizer()
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=_unet(16, attention_head_dim=2),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-sd"
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sdxl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds an SDXL pipeline (two text encoders), tiny, with random weights."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    tokenizer, tokenizer_2 = tiny_tokenizer(), tiny_tokenizer()
    pipe = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config(tokenizer)),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer_2)),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer_2,
        unet=_unet(
            32,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=6 * 8 + 16,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
        add_watermarker=False,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny-sdxl"
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def loaded_sd(sd_folder: Path) -> "StableDiffusionPipeline":
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(sd_folder, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="session")
def loaded_sdxl(sdxl_folder: Path) -> "StableDiffusionXLPipeline":
    from diffusers import StableDiffusionXLPipeline

    pipe = StableDiffusionXLPipeline.from_pretrained(
        sdxl_folder, use_safetensors=True, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="session")
def sd_copies(loaded_sd: "StableDiffusionPipeline") -> "Copies":
    from tests.copies import Copies

    return Copies(loaded_sd, tiny_tokenizer)


@pytest.fixture(scope="session")
def sdxl_copies(loaded_sdxl: "StableDiffusionXLPipeline") -> "Copies":
    from tests.copies import Copies

    return Copies(loaded_sdxl, tiny_tokenizer)


@pytest.fixture
def sd_pipe(sd_copies: "Copies") -> "StableDiffusionPipeline":
    """The tiny Stable Diffusion 1 pipeline, a copy of its own: a test may change it."""
    return sd_copies()


@pytest.fixture
def sdxl_pipe(sdxl_copies: "Copies") -> "StableDiffusionXLPipeline":
    """The tiny SDXL pipeline, a copy of its own: a test may change it."""
    return sdxl_copies()


@pytest.fixture
def small_emoji_sd(sd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever loads emoji-sd by its name gets the tiny Stable Diffusion 1 pipeline."""
    from crossattn.pipelines.shipped import SHIPPED, ShippedModel

    class Small(ShippedModel):
        folder = sd_folder  # type: ignore[assignment]

    monkeypatch.setitem(SHIPPED, "emoji-sd", Small(**vars(SHIPPED["emoji-sd"])))


def steady_encoder(tokenizer: "CLIPTokenizer") -> Any:
    """A CLIP text encoder whose weights are waves, the same whatever draws random numbers."""
    import torch
    from transformers import CLIPTextModel

    encoder = CLIPTextModel(_text_config(tokenizer)).eval()
    for number, parameter in enumerate(encoder.parameters()):
        wave = torch.arange(parameter.numel(), dtype=torch.float64).mul(0.7 + number / 10).sin()
        parameter.data.copy_(0.3 * wave.view_as(parameter))
    return encoder


@pytest.fixture(scope="session")
def steady_pipe(sd_copies: "Copies") -> "StableDiffusionPipeline":
    """The tiny Stable Diffusion 1 pipeline with a steady text encoder; no test may change it."""
    pipe = sd_copies()
    pipe.text_encoder = steady_encoder(pipe.tokenizer)
    return pipe
