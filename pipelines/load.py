"""Loading a model: the one that ships, a folder, a hub id or a single safetensors file."""

import os
import sys
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crossattn.errors import ModelLoadError
from crossattn.pipelines.hub import hub_folder, is_hub_id
from crossattn.pipelines.model_files import (
    check_safetensors,
    component_weights,
    is_pickle_name,
    read_index,
)
from crossattn.pipelines.pipeline_kinds import PIPELINES
from crossattn.pipelines.shipped import SHIPPED

# diffusers reads this once, when it is imported; model_files refuses foreign classes in any case.
os.environ.setdefault("DIFFUSERS_DISABLE_REMOTE_CODE", "1")

if TYPE_CHECKING:
    import torch

# A StableDiffusionPipeline or StableDiffusionXLPipeline, whose parts type checkers cannot see.
Pipeline: TypeAlias = Any

EMBEDDED = "emoji-sd"


@dataclass(frozen=True)
class ModelSource:
    """Where a model lies: a folder, or a single file with the folder of its configuration.

    `borrowed` are parts that lie elsewhere, with their folders.
    """

    folder: Path
    file: Path | None = None
    revision: str | None = None
    borrowed: tuple[tuple[str, Path], ...] = ()

    def place(self, part: str) -> Path:
        """The folder of a part, such as "vae"."""
        return dict(self.borrowed).get(part, self.folder / part)


def find_model(model: str, revision: str | None = None, config: str | None = None) -> ModelSource:
    """Find a model's files: of one that ships, a diffusers folder, a .safetensors file or a hub id.

    `config` is the local diffusers folder that a single file's configuration comes from; a
    folder beside the file and named like it will do. Raises ModelLoadError if nothing is there.
    """
    if (shipped := SHIPPED.get(model)) is not None:
        return ModelSource(shipped.folder, borrowed=shipped.borrowed)
    path = Path(model)
    try:
        path = path.expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError):
        # Too long for a path, or in the home of somebody who does not exist.
        is_folder = is_file = False
    if is_folder:
        return ModelSource(path)
    if is_pickle_name(path):
        raise ModelLoadError(
            f"{model} is named like a pickle, which can run code when it is opened: "
            "expected .safetensors; convert it, or get the safetensors version."
        )
    if is_file:
        return _single_file(path, config)
    if is_hub_id(model):
        folder = hub_folder(model, revision)
        return ModelSource(folder, revision=folder.name)
    raise ModelLoadError(
        f"There is no model {model!r:.200}: expected {', '.join(SHIPPED)}, the folder of a "
        "diffusers model, a .safetensors file, or a hub id such as owner/name."
    )


def load(
    model: str = EMBEDDED,
    *,
    revision: str | None = None,
    config: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
) -> "Pipeline":
    """Load a model as a diffusers pipeline, and keep the last two that were asked for.

    `dtype` is float32, bfloat16 or float16; `device` defaults to the best that is there. Only
    safetensors are read, and no code of the model is run. Raises ModelLoadError if its files
    are missing, broken, unsafe or of the wrong kind.
    """
    source = find_model(model, revision, config)
    folders = [source.folder, *(folder for _, folder in source.borrowed)]
    files = [source.file] if source.file else (file for one in folders for file in one.rglob("*"))
    changed = max((file.stat().st_mtime_ns for file in files), default=0)
    return _load(source, dtype, device or best_device(), changed)


def best_device() -> str:
    """Return the device to use when none is named: cuda, mps or cpu."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@cache
def likely_device() -> str:
    """Return `best_device`, but without loading torch where Linux has no such device at all."""
    devices = (path for name in ("nvidia*", "kfd", "dxg") for path in Path("/dev").glob(name))
    return best_device() if sys.platform != "linux" or any(devices) else "cpu"


def _single_file(path: Path, config: str | None) -> ModelSource:
    if path.suffix != ".safetensors":
        raise ModelLoadError(
            f"{path} cannot be a model: expected a file whose name ends in .safetensors."
        )
    folder = Path(config).expanduser() if config else path.with_suffix("")
    if not folder.is_dir():
        raise ModelLoadError(
            f"{path} needs its configuration: give the folder of a diffusers model of the same "
            f"kind with --config, or put one at {path.with_suffix('')}."
        )
    return ModelSource(folder, file=path)


@lru_cache(maxsize=2)
def _load(source: ModelSource, dtype: str, device: str, changed: int) -> "Pipeline":
    # `changed`, the newest file's time, is only here to make the cache notice a changed model.
    import torch

    _check_device(device)
    index = read_index(source.folder)
    if source.file:
        check_safetensors(source.file)
        pipe = _load_file(source, index, getattr(torch, dtype))
    else:
        pipe = _load_folder(source, index, getattr(torch, dtype))
    _check_weights(source, pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def _load_folder(
    source: ModelSource, index: dict[str, Any], dtype: "torch.dtype", **given: Any
) -> "Pipeline":
    """The pipeline of a folder, with the parts that are `given` in the place of its own."""
    # Stable Diffusion 3 without its third encoder must be told so.
    parts: dict[str, Any] = {name: None for name, value in index.items() if value == [None, None]}
    parts |= given
    for name, variant in component_weights(index, source.place, given).items():
        library, kind = index[name]
        place = source.place(name)
        try:
            parts[name], report = _class_of(library, kind).from_pretrained(
                place,
                dtype=dtype,
                variant=variant,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            raise _does_not_load(place, error) from error
        lacking = sorted(map(str, report["missing_keys"]))
        if lacking:
            raise ModelLoadError(
                f"{place} lacks {len(lacking)} weights that its config.json asks for, "
                f"such as {lacking[0]}; get it anew."
            )
    for name, _ in source.borrowed:
        if name not in parts:
            parts[name] = load_tokenizer(source, name, index)
    try:
        return pipeline_class(index).from_pretrained(
            source.folder, **parts, dtype=dtype, use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise _does_not_load(source.folder, error) from error


def load_tokenizer(source: ModelSource, part: str, index: dict[str, Any]) -> Any:
    """Load one tokenizer of a model by its part's name; raises ModelLoadError."""
    place = source.place(part)
    try:
        return _class_of(*index[part]).from_pretrained(place, local_files_only=True)
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise _does_not_load(place, error) from error


def _load_file(source: ModelSource, index: dict[str, Any], dtype: "torch.dtype") -> "Pipeline":
    from diffusers.loaders.single_file_utils import SingleFileComponentError

    try:
        if PIPELINES[index["_class_name"]].denoiser == "transformer":
            return _load_transformer_file(source, index, dtype)
        return pipeline_class(index).from_single_file(
            str(source.file), config=str(source.folder), local_files_only=True, dtype=dtype
        )
    except (NotImplementedError, SingleFileComponentError) as error:
        # The first is torch's word for moving a weight that the file did not have.
        raise ModelLoadError(
            f"{source.file} lacks weights that the configuration in {source.folder} asks for: "
            "get it anew, or give the configuration of its own kind with --config."
        ) from error
    except (OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise _does_not_load(source.file, error) from error


def _load_transformer_file(
    source: ModelSource, index: dict[str, Any], dtype: "torch.dtype"
) -> "Pipeline":
    """A file's transformer among the parts of its configuration's folder: such files seldom hold
    more, and what else they hold is left."""
    kind = _class_of(*index["transformer"])
    if not hasattr(kind, "from_single_file"):
        raise ModelLoadError(
            f"{source.file} cannot be a model alone: diffusers reads no {kind.__name__} from a "
            "single file; give its folder."
        )
    transformer = kind.from_single_file(
        str(source.file),
        config=str(source.folder),
        subfolder="transformer",
        local_files_only=True,
        dtype=dtype,
    )
    return _load_folder(source, index, dtype, transformer=transformer)


def _check_weights(source: ModelSource, pipe: "Pipeline") -> None:
    import torch

    for part, module in pipe.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        for name, weight in module.named_parameters():
            if weight.is_meta:
                raise ModelLoadError(
                    f"{source.file or source.folder} lacks the weight {part}.{name}; get it anew."
                )
            if weight.is_floating_point() and not torch.stack(weight.aminmax()).isfinite().all():
                raise ModelLoadError(
                    f"{source.file or source.folder} holds values that are not numbers (NaN or "
                    f"infinite) in {part}.{name}; get it anew, or try --dtype float32."
                )


def _check_device(device: str) -> None:
    import torch

    if device.startswith("cuda"):
        there = torch.cuda.is_available() and (torch.device(device).index or 0) < (
            torch.cuda.device_count()
        )
    else:
        there = device == "cpu" or torch.backends.mps.is_available()
    if not there:
        raise ModelLoadError(f"The device {device} is not on this machine: use {best_device()}.")


def _class_of(library: str, kind: str) -> Any:
    module = {"stable_diffusion": "diffusers.pipelines.stable_diffusion"}.get(library, library)
    return getattr(import_module(module), kind)


def pipeline_class(index: dict[str, Any]) -> Any:
    """The class of the pipeline that a model's index names."""
    return _class_of("diffusers", index["_class_name"])


def _does_not_load(path: Path | None, error: Exception) -> ModelLoadError:
    reason = " ".join(str(error).split())[:200]
    return ModelLoadError(f"{path} cannot be loaded, its files do not fit together: {reason}")
