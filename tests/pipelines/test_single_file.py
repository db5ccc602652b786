"""A checkpoint in one file, as model sites offer them, in the names of the original code."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from crossattn.errors import ModelLoadError
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run

pytestmark = pytest.mark.slow

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "down_blocks.0.resnets.0": "input_blocks.1.0",
    "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
    "down_blocks.1.resnets.0": "input_blocks.3.0",
    "down_blocks.1.attentions.0": "input_blocks.3.1",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "up_blocks.0.resnets.0": "output_blocks.0.0",
    "up_blocks.0.attentions.0": "output_blocks.0.1",
    "up_blocks.0.resnets.1": "output_blocks.1.0",
    "up_blocks.0.attentions.1": "output_blocks.1.1",
    "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
    "up_blocks.1.resnets.0": "output_blocks.2.0",
    "up_blocks.1.attentions.0": "output_blocks.2.1",
    "up_blocks.1.resnets.1": "output_blocks.3.0",
    "up_blocks.1.attentions.1": "output_blocks.3.1",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_unet_name(name: str) -> str:
    for ours, theirs in UNET.items():
        if name.startswith(f"{ours}."):
            rest = name.removeprefix(f"{ours}.")
            if ".resnets." in f".{ours}.":
                part, _, end = rest.partition(".")
                rest = f"{RESNET[part]}.{end}"
            return f"model.diffusion_model.{theirs}.{rest}"
    raise KeyError(name)


def original_vae_name(name: str) -> str:
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda found: f"up.{3 - int(found[1])}.block", name)
    name = re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample", name
    )
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda f: f"mid.block_{int(f[1]) + 1}", name)
    if "mid_block.attentions.0" in name:
        name = name.replace("mid_block.attentions.0", "mid.attn_1")
        for ours, theirs in ATTENTION.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
    name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
    return f"first_stage_model.{name}"


def in_one_file(folder: Path, path: Path) -> Path:
    tensors: dict[str, Tensor] = {}
    for name, tensor in load_file(folder / "unet/diffusion_pytorch_model.safetensors").items():
        tensors[original_unet_name(name)] = tensor
    for name, tensor in load_file(folder / "vae/diffusion_pytorch_model.safetensors").items():
        as_convolution = ".attentions." in name and name.endswith("weight") and tensor.ndim == 2
        tensors[original_vae_name(name)] = tensor[..., None, None] if as_convolution else tensor
    for name, tensor in load_file(folder / "text_encoder/model.safetensors").items():
        name = name if name.startswith("text_model.") else f"text_model.{name}"
        tensors[f"cond_stage_model.transformer.{name}"] = tensor
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def one_file(sd_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_one_file(sd_folder, tmp_path_factory.mktemp("single") / "tiny.safetensors")


def draw(model: Path, config: Path | None = None) -> Result:
    *_, result = run(
        Recipe(prompt="a red car", model=str(model), steps=2, config=config and str(config))
    )
    assert isinstance(result, Result)
    return result


def test_a_single_file_draws_the_picture_that_its_folder_draws(
    one_file: Path, sd_folder: Path
) -> None:
    single, folder = draw(one_file, config=sd_folder), draw(sd_folder)
    assert np.array_equal(np.asarray(single.image), np.asarray(folder.image))


def test_a_folder_beside_the_file_and_named_like_it_is_its_configuration(
    one_file: Path, sd_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(one_file, tmp_path / "mine.safetensors")
    shutil.copytree(sd_folder, tmp_path / "mine")
    assert draw(tmp_path / "mine.safetensors").image.size == (64, 64)


def test_a_single_file_without_a_local_configuration_says_what_to_give(one_file: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"needs its configuration.*--config"):
        load(str(one_file))


def test_a_single_file_that_lacks_a_weight_is_refused(
    one_file: Path, sd_folder: Path, tmp_path: Path
) -> None:
    tensors = load_file(one_file)
    del tensors["model.diffusion_model.out.2.weight"]
    save_file(tensors, tmp_path / "short.safetensors")
    with pytest.raises(ModelLoadError, match=r"short\.safetensors lacks weights"):
        load(str(tmp_path / "short.safetensors"), config=str(sd_folder))


def test_a_single_file_that_holds_the_denoiser_alone_is_refused(sd_folder: Path) -> None:
    alone = sd_folder / "unet/diffusion_pytorch_model.safetensors"
    with pytest.raises(ModelLoadError, match=r"lacks weights that the configuration"):
        load(str(alone), config=str(sd_folder))
