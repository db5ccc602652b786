import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from crossattn.errors import ModelLoadError
from crossattn.pipelines.load import load
from crossattn.pipelines.model_files import check_safetensors
from crossattn.pipelines.tokenizers import load_tokenizers

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def model(sd_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may break."""
    return Path(shutil.copytree(sd_folder, tmp_path / "model"))


def refused(model: Path | str, **options: Any) -> str:
    with pytest.raises(ModelLoadError) as caught:
        load(str(model), **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def file_with_header(path: Path, header: bytes, body: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return path


def test_a_folder_is_loaded_once_and_again_when_it_changed(model: Path) -> None:
    first = load(str(model))
    assert load(str(model)) is first
    weights = load_file(model / UNET)
    weights["conv_out.bias"] += 1
    save_file(weights, model / UNET)
    assert load(str(model)) is not first


def test_weights_come_in_the_type_that_was_asked_for(sd_folder: Path) -> None:
    pipe = load(str(sd_folder), dtype="bfloat16")
    assert pipe.unet.dtype == pipe.vae.dtype == pipe.text_encoder.dtype == torch.bfloat16


def test_both_families_load(sd_folder: Path, sdxl_folder: Path) -> None:
    assert type(load(str(sd_folder))).__name__ == "StableDiffusionPipeline"
    assert type(load(str(sdxl_folder))).__name__ == "StableDiffusionXLPipeline"


def test_half_precision_files_are_found_by_their_name(model: Path) -> None:
    (model / UNET).rename(model / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert load(str(model)).unet.dtype == torch.float32


def test_weights_in_several_files_are_found_through_their_index(model: Path) -> None:
    whole = load(str(model)).unet
    (model / UNET).unlink()
    whole.save_pretrained(model / "unet", max_shard_size="20KB")
    assert len(list((model / "unet").glob("*-of-*"))) > 1
    assert torch.equal(load(str(model)).unet.conv_in.weight, whole.conv_in.weight)


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors", "model.SAFETENSORS"])
def test_a_pickle_is_refused_whatever_its_name(name: str, sd_folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return Path.touch, (tmp_path / "ran",)

    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb()))
    refused(path, config=str(sd_folder))
    torch.save({"weight": torch.zeros(1)}, path)
    refused(path, config=str(sd_folder))
    assert not (tmp_path / "ran").exists()


def test_a_pickle_in_the_place_of_a_folders_weights_is_refused(model: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, model / UNET)
    assert "is a pickle" in refused(model)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:4],
        lambda data: data[:-10],
        lambda data: data + b"more",
        lambda data: data[:200],
        lambda data: struct.pack("<Q", 2**62) + data[8:],
    ],
    ids=["empty", "tiny", "cut off", "too long", "cut in its header", "huge header"],
)
def test_a_damaged_weight_file_is_refused(model: Path, damage: Callable[[bytes], bytes]) -> None:
    (model / UNET).write_bytes(damage((model / UNET).read_bytes()))
    assert "not a whole safetensors file" in refused(model)


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b"[" * 100_000,
        b'{"a": 1}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}',
        b'{"a": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 4]}}',
        json.dumps(
            {str(n): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
        ).encode(),
    ],
    ids=lambda header: header[:40],
)
def test_a_header_that_makes_no_sense_is_refused(header: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="not a whole safetensors file"):
        check_safetensors(file_with_header(tmp_path / "x.safetensors", header, b"\0" * 4))


def test_a_folder_with_only_pickled_weights_is_refused(model: Path) -> None:
    torch.save(load_file(model / UNET), model / "unet/diffusion_pytorch_model.bin")
    (model / UNET).unlink()
    assert "only pickled weights" in refused(model)


def test_a_folder_without_weights_is_refused(model: Path) -> None:
    (model / UNET).unlink()
    assert "holds no weights" in refused(model)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_missing_weight_is_named(model: Path, part: str) -> None:
    [path] = (model / part).glob("*.safetensors")
    weights = load_file(path)
    name = sorted(weights)[0]
    del weights[name]
    save_file(weights, path, metadata={"format": "pt"})
    text = refused(model)
    assert "lacks 1 weights" in text
    assert name.split(".")[-1] in text


def test_a_weight_of_the_wrong_shape_is_refused(model: Path) -> None:
    weights = load_file(model / UNET)
    weights["conv_in.weight"] = torch.zeros(8, 5, 3, 3)
    save_file(weights, model / UNET)
    assert "conv_in.weight" in refused(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_weights_that_are_not_numbers_are_refused(model: Path, part: str, value: float) -> None:
    [path] = (model / part).glob("*.safetensors")
    weights = load_file(path)
    next(iter(weights.values())).view(-1)[0] = value
    save_file(weights, path, metadata={"format": "pt"})
    assert "not numbers" in refused(model)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_a_broken_model_index_is_refused(model: Path, text: str) -> None:
    (model / "model_index.json").write_text(text)
    assert "is broken" in refused(model)


def test_a_folder_that_is_no_model_is_told(tmp_path: Path) -> None:
    assert "not a model folder" in refused(tmp_path)


@pytest.mark.parametrize("kind", ["Flux2Pipeline", ["mine", "Mine"], None, 3])
def test_another_kind_of_pipeline_is_named(model: Path, kind: object) -> None:
    change(model / "model_index.json", _class_name=kind)
    assert "which is not served: expected StableDiffusionPipeline, " in refused(model)


@pytest.mark.parametrize(
    "component",
    [
        {"unet": ["unet_mine", "Mine"]},
        {"unet": ["os", "system"]},
        {"scheduler": ["subprocess", "PopenScheduler"]},
        {"scheduler": [["x"], {}]},
        {"tokenizer": ["transformers", "AutoModel"]},
        {"helper": ["diffusers", "UNet2DConditionModel"]},
    ],
)
def test_a_foreign_class_is_refused_and_its_code_never_runs(
    model: Path, component: dict[str, object]
) -> None:
    ran = model.parent / "ran"
    for place in ("unet", "."):
        (model / place / "unet_mine.py").write_text(f"open({str(ran)!r}, 'w')\nclass Mine: ...\n")
    change(model / "model_index.json", **component)
    assert "code is never run" in refused(model)
    assert not ran.exists()


def test_a_scheduler_that_diffusers_does_not_have_is_told(model: Path) -> None:
    change(model / "model_index.json", scheduler=["diffusers", "NoSuchScheduler"])
    assert "cannot be loaded" in refused(model)


def test_an_index_that_points_outside_the_folder_is_refused(model: Path) -> None:
    (model / UNET).unlink()
    index = model / "unet/diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"conv_in.weight": "../vae/x.safetensors"}}))
    assert "points outside" in refused(model)
    index.write_text(json.dumps({"weight_map": {"conv_in.weight": "x.safetensors"}}))
    assert "lacks x.safetensors" in refused(model)


def test_a_folder_without_its_text_encoder_is_told(model: Path) -> None:
    change(model / "model_index.json", text_encoder=[None, None])
    assert "has no text_encoder" in refused(model)


def test_a_device_that_is_not_there_is_told(sd_folder: Path) -> None:
    assert "cuda:9 is not on this machine" in refused(sd_folder, device="cuda:9")


def test_a_weight_file_whose_first_bytes_look_like_a_pickles_is_fine(tmp_path: Path) -> None:
    header = b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    path = file_with_header(tmp_path / "x.safetensors", header.ljust(0x280), b"\0" * 4)
    assert path.read_bytes().startswith(b"\x80\x02")
    check_safetensors(path)


@pytest.mark.parametrize(
    "name", ["nothing-here", "./nothing/here/at/all", "a b/c", "~nobody/x", "x" * 5000]
)
def test_a_name_that_is_nothing_says_what_a_model_can_be(name: str) -> None:
    assert "There is no model" in refused(name)


def test_tokenizers_load_without_the_model(sdxl_folder: Path, sd_folder: Path) -> None:
    assert list(load_tokenizers(str(sd_folder))) == ["clip"]
    assert list(load_tokenizers(str(sdxl_folder))) == ["clip", "clip-2"]


def test_a_broken_tokenizer_is_told(model: Path) -> None:
    for file in (model / "tokenizer").iterdir():
        file.write_text("{")
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load_tokenizers(str(model))
