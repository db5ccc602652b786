"""Recipes are taken over from pictures that other programs made, and what is left is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from crossattn.errors import InputError
from crossattn.pipelines.takeover import take_over
from crossattn.ui.cli import call

A1111 = (
    "(masterpiece:1.2), a [red:blue:0.3] car <lora:pastel:0.7>,\nBREAK on grass\n"
    "Negative prompt: (worst quality:1.4), blurry\n"
    'Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 123, Size: 512x768, Model: "a, b", '
    "Clip skip: 2, Version: v1.9.4"
)
GRAPH: dict[str, Any] = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 8,
            "steps": 12,
            "cfg": 6.5,
            "sampler_name": "euler_ancestral",
            "scheduler": "karras",
            "denoise": 1,
            "positive": ["6", 0],
            "negative": ["7", 0],
            "model": ["9", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 640}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a (red (car:1.3):1.1)"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog"}},
    "8": {"class_type": "VAEDecode", "inputs": {}},
    "9": {"class_type": "LoraLoader", "inputs": {"lora_name": "pastel.safetensors"}},
}
INVOKE = {
    "app_version": "5.0",
    "positive_prompt": "a red++ car",
    "negative_prompt": "dog",
    "seed": 5,
    "steps": 30,
    "cfg_scale": 6,
    "width": 512,
    "height": 512,
    "scheduler": "euler_a",
    "model": {"name": "Dreamshaper"},
    "loras": [],
}


def picture(folder: Path, **texts: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    path = folder / "picture.png"
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def test_a_picture_by_automatic1111_is_taken_over(tmp_path: Path) -> None:
    taken = take_over(picture(tmp_path, parameters=A1111), "owner/name")
    recipe = taken.recipe
    assert taken.program == "AUTOMATIC1111"
    assert recipe.prompt == "(masterpiece:1.2), a [red:blue:0.3] car,\nBREAK on grass"
    assert recipe.negative_prompt == "(worst quality:1.4), blurry"
    assert (recipe.steps, recipe.guidance, recipe.seed) == (20, 7.5, 123)
    assert (recipe.width, recipe.height) == (512, 768)
    assert (recipe.scheduler, recipe.dialect, recipe.model) == ("dpm++", "a1111", "owner/name")
    assert taken.left == (
        "sampler: DPM++ 2M Karras",
        'Model: "a, b"',
        "Clip skip: 2",
        "<lora:pastel:0.7> of the prompt",
        "the noise: the same seed is other noise in another program",
    )


def test_its_jpegs_are_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode("utf-16-be")
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (8, 8)).save(path, exif=exif)
    assert take_over(path).recipe.seed == 123


def test_a_picture_by_comfyui_is_taken_over(tmp_path: Path) -> None:
    taken = take_over(picture(tmp_path, prompt=json.dumps(GRAPH)))
    recipe = taken.recipe
    assert (recipe.prompt, recipe.negative_prompt) == ("a (red (car:1.3):1.1)", "dog")
    assert (recipe.seed, recipe.steps, recipe.guidance) == (8, 12, 6.5)
    assert (recipe.width, recipe.height, recipe.scheduler) == (512, 640, "euler-a")
    assert recipe.dialect == "comfy"
    assert taken.left[:3] == (
        "schedule: karras",
        "CheckpointLoaderSimple: sd15.safetensors",
        "<lora:pastel:1:0> of the prompt",
    )


def test_a_picture_by_invokeai_is_taken_over(tmp_path: Path) -> None:
    taken = take_over(picture(tmp_path, invokeai_metadata=json.dumps(INVOKE)))
    recipe = taken.recipe
    assert (recipe.prompt, recipe.negative_prompt) == ("a red++ car", "dog")
    assert (recipe.seed, recipe.steps, recipe.guidance) == (5, 30, 6.0)
    assert (recipe.scheduler, recipe.dialect) == ("euler-a", "compel")
    assert taken.left[0] == "model: Dreamshaper"


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({}, "carries no settings"),
        ({"prompt": "{"}, "not the JSON"),
        ({"prompt": "[]"}, "not the JSON"),
        ({"prompt": "{}"}, "0 samplers"),
    ],
)
def test_what_cannot_be_taken_over_is_told(
    tmp_path: Path, texts: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        take_over(picture(tmp_path, **texts))


def test_import_prints_the_recipe_and_what_is_not_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["import", str(picture(tmp_path, parameters=A1111))]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["seed"] == 123
    assert "Not taken over from AUTOMATIC1111: Clip skip: 2." in err


def test_loras_are_taken_over_where_their_folder_is_said(tmp_path: Path) -> None:
    folder = str(tmp_path)
    taken = take_over(picture(tmp_path, parameters=A1111), loras=folder)
    assert "a [red:blue:0.3] car <lora:pastel:0.7>,\nBREAK" in taken.recipe.prompt
    assert taken.recipe.loras == folder
    assert not any("pastel" in left for left in taken.left)
    node = {"lora_name": "ink.safetensors", "strength_model": 0.8, "strength_clip": 0.3}
    graph = {**GRAPH, "9": {"class_type": "LoraLoader", "inputs": node | {"model": ["4", 0]}}}
    taken = take_over(picture(tmp_path, prompt=json.dumps(graph)), loras=folder)
    assert taken.recipe.prompt == "a (red (car:1.3):1.1) <lora:ink:0.8:0.3>"
    named = INVOKE | {"loras": [{"model": {"name": "ink"}, "weight": 0.75}]}
    said = picture(tmp_path, invokeai_metadata=json.dumps(named))
    assert take_over(said, loras=folder).recipe.prompt == "a red++ car <lora:ink:0.75>"
    assert "<lora:ink:0.75> of the prompt" in take_over(said).left
