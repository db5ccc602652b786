"""Recipes taken over from pictures that other programs made, and what could not be."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from crossattn.dialects import Dialect
from crossattn.errors import InputError
from crossattn.pipelines.picture import KEY, opened
from crossattn.pipelines.recipe import Recipe

_SAMPLERS = {
    "ddim": "ddim",
    "euler": "euler",
    "euler a": "euler-a",
    "euler_a": "euler-a",
    "euler_ancestral": "euler-a",
    "heun": "heun",
    "lcm": "lcm",
    "dpm++ 2m": "dpm++",
    "dpmpp_2m": "dpm++",
}
_SETTING = re.compile(r'\s*([A-Za-z][\w \-/.]*):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
_LORA = re.compile(r"\s*<lora:[^<>]*>")
_OTHER_NETWORK = re.compile(r"\s*<(?:lyco|hypernet):[^<>]*>")
_USER_COMMENT, _EXIF = 0x9286, 0x8769


@dataclass(frozen=True)
class TakenOver:
    """A recipe of another program's picture; `left` says, thing by thing, what is not in it."""

    program: str
    recipe: Recipe
    left: tuple[str, ...]


@dataclass
class _Found:
    program: str
    dialect: Dialect
    fields: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def sampler(self, name: str) -> None:
        """Take a sampler's name over, or list it."""
        plain = name.lower().removesuffix(" karras")
        if plain in _SAMPLERS:
            self.fields["scheduler"] = _SAMPLERS[plain]
        if plain not in _SAMPLERS or plain != name.lower():
            self.left.append(f"sampler: {name}")

    def lora(self, name: str, *strengths: Any) -> None:
        """Write a LoRA that stands beside the prompt into it, as its dialect does."""
        said = ":".join(map(str, (name.removesuffix(".safetensors"), *strengths)))
        self.fields["prompt"] += f" <lora:{said}>"

    def number(self, name: str, value: Any, kind: type[int] | type[float]) -> None:
        """Take a number over, or list what is none."""
        try:
            self.fields[name] = kind(value)
        except (TypeError, ValueError):
            self.left.append(f"{name}: {value}")


def take_over(path: Path, model: str | None = None, loras: str | None = None) -> TakenOver:
    """Read the recipe of a picture by AUTOMATIC1111 (or Forge), InvokeAI or ComfyUI.

    `model` is where the picture's model lies here, `loras` the folder of its LoRAs; without one
    they are left out. Raises InputError for a picture that carries
    none of their settings, PromptError or RecipeError for settings that cannot be a recipe.
    """
    texts, comment = _texts(path)
    if "invokeai_metadata" in texts:
        found = _invokeai(_json(path, texts["invokeai_metadata"]))
    elif "parameters" in texts or comment:
        found = _a1111(texts.get("parameters") or comment)
    elif "prompt" in texts:
        found = _comfyui(path, _json(path, texts["prompt"]))
    else:
        raise InputError(
            f"{path} carries no settings of AUTOMATIC1111, InvokeAI or ComfyUI; programs that save "
            "a picture again often drop them."
        )
    for name in ("prompt", "negative_prompt"):
        left = [_OTHER_NETWORK, *([] if loras and name == "prompt" else [_LORA])]
        for kind in left:
            text = str(found.fields.get(name, ""))
            found.left += [f"{tag.group().strip()} of the {name}" for tag in kind.finditer(text)]
            found.fields[name] = kind.sub("", text)
    found.fields |= {key: value for key, value in (("model", model), ("loras", loras)) if value}
    found.left.append("the noise: the same seed is other noise in another program")
    recipe = Recipe(**found.fields, dialect=found.dialect)
    return TakenOver(found.program, recipe, tuple(dict.fromkeys(found.left)))


def made_elsewhere(path: Path) -> bool:
    """Whether a picture carries no recipe of ours, but settings that `take_over` reads."""
    texts, comment = _texts(path)
    theirs = texts.keys() & {"invokeai_metadata", "parameters", "prompt"}
    return KEY not in texts and bool(theirs or comment)


def _texts(path: Path) -> tuple[dict[str, str], str]:
    """What is written into a picture under names, and its comment."""
    with opened(path) as image:
        named = {str(key): text for key, text in image.info.items() if isinstance(text, str)}
        return named, _comment(image)


def _comment(image: Image.Image) -> str:
    """What AUTOMATIC1111 writes into JPEG and WebP files."""
    given = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT, b"")
    if isinstance(given, bytes) and given.startswith(b"UNICODE\0"):
        return given[8:].decode("utf-16-be", "replace")
    return ""


def _json(path: Path, text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} carries settings that are not the JSON they should be.")
    return found


def _a1111(text: str) -> _Found:
    found = _Found("AUTOMATIC1111", "a1111")
    *lines, last = text.strip().split("\n")
    settings = dict(_settings(last))
    if "Steps" not in settings:
        lines, settings = [*lines, last], {}
    said, _, against = "\n".join(lines).partition("Negative prompt:")
    found.fields |= {"prompt": said.strip(), "negative_prompt": against.strip()}
    for name, value in settings.items():
        if name == "Sampler":
            found.sampler(value)
        elif name == "Size" and (size := re.fullmatch(r"(\d+)x(\d+)", value)):
            found.fields |= {"width": int(size[1]), "height": int(size[2])}
        elif name == "Steps":
            found.number("steps", value, int)
        elif name == "Seed":
            found.number("seed", value, int)
        elif name == "CFG scale":
            found.number("guidance", value, float)
        elif name != "Version":
            found.left.append(f"{name}: {value}")
    return found


def _settings(line: str) -> Iterator[tuple[str, str]]:
    at = 0
    while match := _SETTING.match(line, at):
        yield match[1], match[2].strip()
        at = match.end()


def _invokeai(data: Mapping[str, Any]) -> _Found:
    found = _Found("InvokeAI", "compel")
    for name, value in data.items():
        if name in ("positive_prompt", "negative_prompt"):
            found.fields["prompt" if name == "positive_prompt" else name] = str(value or "")
        elif name in ("seed", "steps", "width", "height"):
            found.number(name, value, int)
        elif name == "cfg_scale":
            found.number("guidance", value, float)
        elif name == "scheduler":
            found.sampler(str(value))
        elif name == "loras" and isinstance(value, list):
            continue
        elif value not in (None, "", [], {}, False) and name != "app_version":
            shown = value.get("name", value) if isinstance(value, dict) else value
            found.left.append(f"{name}: {shown!s:.100}")
    for each in data.get("loras") or ():
        model = each.get("model", each.get("lora", {})) if isinstance(each, dict) else {}
        if isinstance(model, dict) and (lora := model.get("name", model.get("model_name"))):
            found.lora(str(lora), each.get("weight", 1))
        else:
            found.left.append(f"loras: {each!s:.100}")
    return found


def _comfyui(path: Path, graph: Mapping[str, Any]) -> _Found:
    found = _Found("ComfyUI", "comfy")
    nodes = {key: node for key, node in graph.items() if isinstance(node, dict)}
    samplers = [
        key
        for key, node in nodes.items()
        if "positive" in node.get("inputs", {}) and "steps" in node.get("inputs", {})
    ]
    if len(samplers) != 1:
        raise InputError(
            f"{path} is a ComfyUI graph with {len(samplers)} samplers where one was expected; "
            "write its recipe by hand."
        )
    used = {samplers[0]}
    inputs = nodes[samplers[0]]["inputs"]

    def text(link: Any) -> str:
        """The text of the encoder that a link leads to; what lies between is told by its node."""
        while isinstance(link, list) and str(link[0]) in nodes:
            key = str(link[0])
            given = nodes[key].get("inputs", {})
            if "text" in given:
                used.add(key)
                link = given["text"]
            else:
                link = given.get("conditioning", given.get("string", given.get("value")))
        return link if isinstance(link, str) else ""

    found.fields["prompt"], found.fields["negative_prompt"] = (
        text(inputs.get("positive")),
        text(inputs.get("negative")),
    )
    at = inputs.get("model")
    while isinstance(at, list) and str(at[0]) in nodes and str(at[0]) not in used:
        given = nodes[str(at[0])].get("inputs", {})
        used |= {str(at[0])} if "lora_name" in given else set()
        if "lora_name" in given:
            strength = given.get("strength_model", 1)
            found.lora(str(given["lora_name"]), strength, given.get("strength_clip", 0))
        at = given.get("model")
    for name, ours, kind in (
        ("seed", "seed", int),
        ("noise_seed", "seed", int),
        ("steps", "steps", int),
        ("cfg", "guidance", float),
    ):
        if name in inputs:
            found.number(ours, inputs[name], kind)
    found.sampler(str(inputs.get("sampler_name", "")))
    if inputs.get("scheduler", "normal") != "normal":
        found.left.append(f"schedule: {inputs['scheduler']}")
    if inputs.get("denoise", 1) != 1:
        found.left.append(f"denoise: {inputs['denoise']}")
    for key, node in nodes.items():
        given = node.get("inputs", {})
        if node.get("class_type") == "EmptyLatentImage":
            found.number("width", given.get("width"), int)
            found.number("height", given.get("height"), int)
        elif node.get("class_type") not in _SILENT and key not in used:
            named = given.get("ckpt_name") or given.get("lora_name") or f"node {key}"
            found.left.append(f"{node.get('class_type')}: {named}")
    return found


_SILENT = {"VAEDecode", "SaveImage", "PreviewImage"}
"""Nodes that every graph has and a recipe needs no word of."""
