"""Checks on a model's files before anything is loaded: safetensors only, no foreign code."""

import json
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from crossattn.errors import ModelLoadError
from crossattn.pipelines.pipeline_kinds import PIPELINES, WITHOUT_WEIGHTS

_WEIGHT_NAMES = ("diffusion_pytorch_model", "model")
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}

MAX_JSON_BYTES = 10_000_000
MAX_HEADER_BYTES = 100_000_000
MAX_TENSORS = 20_000


def read_index(folder: Path) -> dict[str, Any]:
    """Read a model folder's model_index.json and check that it names only known classes.

    Returns the index. Raises ModelLoadError if it is missing, broken, names another kind of
    pipeline, or asks for code of its own.
    """
    path = folder / "model_index.json"
    if not path.is_file():
        raise ModelLoadError(
            f"{folder} is not a model folder: expected model_index.json in it, as diffusers saves."
        )
    index = _read_json(path)
    kind = index.get("_class_name")
    if not isinstance(kind, str) or kind not in PIPELINES:
        raise ModelLoadError(
            f"{path} names the pipeline {_short(kind)}, which is not served: "
            f"expected {', '.join([*PIPELINES][:-1])} or {[*PIPELINES][-1]}."
        )
    for name, value in index.items():
        if name.startswith("_") or not isinstance(value, list) or value == [None, None]:
            continue
        if len(value) != 2 or not PIPELINES[kind].knows(name, *value):
            raise ModelLoadError(
                f"{path} asks for {_short(value)} as its {name[:40]}, which is not a class that "
                "this program knows; a model's own code is never run."
            )
    return index


def component_weights(
    index: dict[str, Any], place: Callable[[str], Path], given: Collection[str] = ()
) -> dict[str, str | None]:
    """Check the weight files of every component of a model without loading them.

    `place` gives a component's folder by its name; those `given` otherwise are left out. Returns
    component name -> variant (None or
    "fp16"). Raises ModelLoadError if weights are missing, pickled, cut off or otherwise broken.
    """
    named = {name for name, value in index.items() if isinstance(value, list) and any(value)}
    for name in PIPELINES[index["_class_name"]].required:
        if name not in named:
            raise ModelLoadError(
                f"{place(name).parent} has no {name}: its model_index.json must name one."
            )
    weighty = (name for name in index if name in named and name not in (*WITHOUT_WEIGHTS, *given))
    return {name: _check_component(place(name)) for name in weighty if not name.startswith("_")}


def check_safetensors(path: Path) -> None:
    """Check that a file is whole, plain safetensors; raises ModelLoadError if it is not."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, MAX_HEADER_BYTES):
            if start.startswith(_PICKLE_STARTS):
                raise ModelLoadError(
                    f"{path} is a pickle, which can run code when it is opened: "
                    "expected safetensors; convert it, or get the safetensors version."
                )
            raise _broken(path, f"its header does not fit in its {size} bytes")
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _broken(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _broken(path, "its header is not a JSON object")
    header.pop("__metadata__", None)
    if not 1 <= len(header) <= MAX_TENSORS:
        raise _broken(path, f"it lists {len(header)} tensors (1 to {MAX_TENSORS} are expected)")
    end = max(_tensor_end(path, name, entry) for name, entry in header.items())
    if end != size - 8 - length:
        raise _broken(path, f"it should hold {8 + length + end} bytes but holds {size}")


def is_pickle_name(path: Path) -> bool:
    """Say whether a file name is one that pickled weights usually have."""
    return path.suffix.lower() in _PICKLES


def _check_component(folder: Path) -> str | None:
    if not (folder / "config.json").is_file():
        raise ModelLoadError(f"{folder} has no config.json: the model is not complete.")
    for variant, infix in ((None, ""), ("fp16", ".fp16")):
        for name in _WEIGHT_NAMES:
            whole = folder / f"{name}{infix}.safetensors"
            if whole.is_file():
                check_safetensors(whole)
                return variant
            parts = folder / f"{name}.safetensors.index{infix}.json"
            if parts.is_file():
                for part in _part_names(parts):
                    check_safetensors(folder / part)
                return variant
    if any(is_pickle_name(file) for file in folder.glob("*")):
        raise ModelLoadError(
            f"{folder} holds only pickled weights (such as .bin), which can run code when they "
            "are opened: expected .safetensors; convert them, or get the safetensors version."
        )
    raise ModelLoadError(f"{folder} holds no weights: expected a .safetensors file.")


def _part_names(index: Path) -> set[str]:
    table = _read_json(index).get("weight_map")
    names = set(table.values()) if isinstance(table, dict) else set()
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise ModelLoadError(f"{index} points outside its folder, at {_short(name)}.")
        if not (index.parent / name).is_file():
            raise ModelLoadError(f"{index.parent} lacks {name}: the download is not complete.")
    return names


def _tensor_end(path: Path, name: str, entry: Any) -> int:
    try:
        begin, end = entry["data_offsets"]
        size = math.prod(entry["shape"]) * _BYTES[entry["dtype"]]
        if begin >= 0 and end - begin == size:
            return int(end)
    except (KeyError, TypeError, ValueError):
        pass
    raise _broken(path, f"the entry of tensor {_short(name)} makes no sense")


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelLoadError(f"{path} is over {MAX_JSON_BYTES} bytes: expected a small JSON file.")
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ModelLoadError(f"{path} is broken: expected JSON.") from None
    if not isinstance(data, dict):
        raise ModelLoadError(f"{path} is broken: expected a JSON object.")
    return data


def _broken(path: Path, reason: str) -> ModelLoadError:
    return ModelLoadError(f"{path} is not a whole safetensors file, {reason}; get it anew.")


def _short(value: Any) -> str:
    return ascii(value)[:80]
