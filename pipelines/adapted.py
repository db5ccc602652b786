"""Pipelines with LoRAs and textual inversions: each run has one of its own, the model stays plain.

The copy has modules of its own over the very same weights, into which diffusers loads the files;
so it costs little memory, and nothing that is loaded, scaled or attached there is seen elsewhere.
A run has its copy alone until it ends, and it is kept for the next run with the same files.
"""

import copy
import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from safetensors import safe_open
from torch import nn

from crossattn.errors import ModelLoadError, RecipeError
from crossattn.lora_tags import LoraTag
from crossattn.pipelines.adapter_files import AdapterFile
from crossattn.pipelines.joint import denoiser_of
from crossattn.pipelines.model_files import check_safetensors
from crossattn.pipelines.textual_inversion import load_inversion

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

MOST_KEPT = 2
"""Copies of one model that are kept for runs to come."""

_COPIED = ("unet", "transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
READING = Lock()
"""Runs in threads share a model's tokenizers, which keep how they were last asked to pad, and the
interpreter's filters of warnings."""

_kept: "WeakKeyDictionary[nn.Module, list[Adapted]]" = WeakKeyDictionary()


class RunPipeline:
    """What one run draws with, with `files` loaded; `notes` are sentences for people."""

    def __init__(self, pipe: "Pipeline", files: Sequence[AdapterFile] = ()) -> None:
        self.pipe = pipe
        self.files = tuple(files)
        self.notes: list[str] = []

    def act(self, loras: Sequence[LoraTag]) -> None:
        """Have these LoRAs act from now on, and no others."""


class Adapted(RunPipeline):
    """A copy of a pipeline with files loaded into it, and how strongly they act now.

    Raises RecipeError for a file that does not fit the model.
    """

    def __init__(self, pipe: "Pipeline", files: Sequence[AdapterFile]) -> None:
        super().__init__(copy.copy(pipe), files)
        self._now: dict[str, tuple[float, float]] | None = None
        for part in _COPIED:
            if isinstance(module := getattr(pipe, part, None), nn.Module):
                setattr(self.pipe, part, _over_same_weights(module))
        if any(file.kind != "LoRA" for file in files):
            for part in ("tokenizer", "tokenizer_2"):
                if (tokenizer := getattr(pipe, part, None)) is not None:
                    setattr(self.pipe, part, copy.deepcopy(tokenizer))
        for number, file in enumerate(self.files):
            if file.kind == "LoRA":
                self._load(file, f"lora_{number}")
            else:
                load_inversion(self.pipe, file)
        self.act(())

    def act(self, loras: Sequence[LoraTag]) -> None:
        """Have these LoRAs act from now on, and no others; one that comes twice acts by the sum."""
        strengths: dict[str, tuple[float, float]] = {}
        for tag in loras:
            denoiser, text = strengths.get(tag.name, (0.0, 0.0))
            strengths[tag.name] = denoiser + tag.denoiser, text + tag.text
        if strengths == self._now:
            return
        self._now = strengths
        for part, module in self._parts():
            own = {
                f"lora_{number}": strengths[file.name]["text_encoder" in part]
                for number, file in enumerate(self.files)
                if file.name in strengths and f"lora_{number}" in module.peft_config
            }
            _set(module, {name: strength for name, strength in own.items() if strength})

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """The copied modules that have adapters."""
        for part in _COPIED:
            module = getattr(self.pipe, part, None)
            if getattr(module, "peft_config", None):
                yield part, module

    def _load(self, file: AdapterFile, name: str) -> None:
        check_safetensors(file.path)
        fits = f"{file.path.name} does not fit this model"
        try:
            self.pipe.load_lora_weights(
                str(file.path.parent),
                weight_name=file.path.name,
                adapter_name=name,
                local_files_only=True,
                use_safetensors=True,
            )
        except (ValueError, RuntimeError, TypeError, KeyError, AttributeError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RecipeError(f"{fits}: {reason}") from error
        loaded = sum(
            name in getattr(layer, "lora_A", ())
            for _, module in self._parts()
            for layer in module.modules()
        )
        if not loaded:
            raise RecipeError(
                f"{fits}: none of its layers is one of the model's; take the LoRA out, or draw "
                "with the model that it was made for."
            )
        there = _layers(file)
        if loaded < there:
            self.notes.append(f"Only {loaded} of the {there} layers of {file} fit this model.")


@contextmanager
def adapted(pipe: "Pipeline", files: Sequence[AdapterFile]) -> Iterator[RunPipeline]:
    """Give a run its own copy of a pipeline, with these files loaded; without files, itself.

    Raises RecipeError for a file that does not fit the model, ModelLoadError for a pipeline that
    cannot be copied or where something is missing.
    """
    if not files:
        yield RunPipeline(pipe)
        return
    _check(pipe, files)
    key = denoiser_of(pipe)
    with READING:
        idle = _kept.setdefault(key, [])
        own = next((one for one in idle if one.files == tuple(files)), None)
        if own is not None:
            idle.remove(own)
        else:
            with _quietly():
                own = Adapted(pipe, files)
    try:
        yield own
    finally:
        with READING:
            idle.append(own)
            del idle[:-MOST_KEPT]


def _check(pipe: "Pipeline", files: Sequence[AdapterFile]) -> None:
    loras = any(file.kind == "LoRA" for file in files)
    if loras and importlib.util.find_spec("peft") is None:
        raise ModelLoadError(
            "LoRAs are loaded by diffusers with the package peft, which is not installed: pip "
            "install 'crossattn[lora]'."
        )
    if loras and not hasattr(pipe, "load_lora_weights"):
        raise ModelLoadError(f"diffusers loads no LoRA into a {type(pipe).__name__}.")
    if getattr(pipe, "_all_hooks", None) or any(
        getattr(getattr(pipe, part, None), "peft_config", None) for part in _COPIED
    ):
        raise ModelLoadError(
            "What a prompt names is loaded into a plain pipeline, and this one has adapters of its "
            "own or is moved between devices: take that off it, or the names out of the prompt."
        )


def _over_same_weights(module: nn.Module) -> nn.Module:
    """Copy a module, but not the values of its weights."""
    for _ in range(100):
        memo: dict[int, Any] = {id(buffer): buffer for buffer in module.buffers()}
        for weight in module.parameters():
            memo[id(weight)] = nn.Parameter(weight.data, requires_grad=False)
        try:
            return copy.deepcopy(module, memo)
        except RuntimeError as error:
            # Another thread has just attached to it, or left it.
            reason = error
    raise reason


def _set(module: Any, strengths: dict[str, float]) -> None:
    from diffusers.utils.peft_utils import set_adapter_layers, set_weights_and_activate_adapters

    set_adapter_layers(module, enabled=bool(strengths))
    if strengths:
        set_weights_and_activate_adapters(module, list(strengths), list(strengths.values()))


def _layers(file: AdapterFile) -> int:
    """How many layers a file has something for, by whatever names trainers give them."""
    with safe_open(file.path, "pt") as weights:
        return sum(
            any(mark in key for mark in ("lora_A.", "lora_down.", "lora.down.", "_lora.down."))
            for key in weights.keys()  # noqa: SIM118, it is no mapping
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the host from telling what is told here in a sentence."""
    logger = logging.getLogger("diffusers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # PEFT warns of a second adapter, which is meant.
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
