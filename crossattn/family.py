"""What differs between models: a `Family` says how to read a denoiser, its layers and its text."""

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossattn.errors import UnsupportedModelError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Kind = Literal["cross", "self"]


@dataclass(frozen=True)
class Encoder:
    """A text encoder of a family: the name that people see, and the pipeline's parts for it.

    `start` says whether its sequence opens with a start token, `prepare` is what the pipeline does
    to a text before it tokenizes it.
    """

    name: str
    tokenizer: str = "tokenizer"
    module: str = "text_encoder"
    start: bool = True
    prepare: Callable[[str], str] = str

    def limit(self, pipe: Any) -> int:
        """The length of the sequence that the pipeline makes, in tokens, unless its caller asks."""
        asked = inspect.signature(type(pipe).__call__).parameters.get("max_sequence_length")
        if asked is not None and isinstance(asked.default, int):
            return asked.default
        return int(getattr(pipe, self.tokenizer).model_max_length)


@dataclass(frozen=True)
class Family:
    """All that the library must know of one kind of model.

    `denoiser` and `attention` are the host's classes by name; `processors` gives, for each of its
    attention processors that can be served, which of its calls of `scaled_dot_product_attention`
    meets the text; `latents` is the denoiser's argument for them. `block` turns a layer's name into
    its block's, `level` says how often a block's grid halves the latent's. `encoders` are its text
    encoders, side by side in one sequence.
    """

    denoiser: str
    attention: str
    processors: Mapping[str, int]
    block: Callable[[str], str]
    level: Callable[[str, Any], int]
    latents: str = "sample"
    encoders: tuple[Encoder, ...] = (
        Encoder("clip"),
        Encoder("clip-2", "tokenizer_2", "text_encoder_2"),
    )

    def kind(self, attention: Any) -> Kind:
        """What the layer attends to; read from the layer itself, since names mislead."""
        return "cross" if attention.is_cross_attention else "self"

    def size(self, latents: "Tensor") -> tuple[int, int]:
        """The latent's (height, width), of latents (rows, channels, height, width)."""
        return latents.shape[-2], latents.shape[-1]

    def serves(self, processor: Any) -> bool:
        """Whether a layer that runs that processor can be recorded and edited."""
        return type(processor).__name__ in self.processors


def _unet_block(name: str) -> str:
    block, index, *_ = name.split(".")
    return "mid" if block == "mid_block" else f"{block.removesuffix('_blocks')}.{index}"


def _unet_level(block: str, denoiser: Any) -> int:
    """Every down block but the last ends in a halving."""
    deepest = len(denoiser.down_blocks) - 1
    side, _, index = block.partition(".")
    if side == "mid":
        return deepest
    return int(index) if side == "down" else deepest - int(index)


def _transformer_block(name: str) -> str:
    return ".".join(name.split(".")[:2]).removeprefix("transformer_")


def _patch_level(block: str, denoiser: Any) -> int:
    return (int(denoiser.config.patch_size) - 1).bit_length()


def _lowered(text: str) -> str:
    return text.lower().strip()


FAMILIES = (
    # SD1.x, SD2.x, SDXL and everything built on their UNet. An IP-Adapter's processor attends to
    # the text first, then to each of its pictures.
    Family(
        "UNet2DConditionModel",
        "Attention",
        {"AttnProcessor2_0": 0, "FusedAttnProcessor2_0": 0, "IPAdapterAttnProcessor2_0": 0},
        _unet_block,
        _unet_level,
    ),
    # PixArt α and Σ.
    Family(
        "PixArtTransformer2DModel",
        "Attention",
        {"AttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        latents="hidden_states",
        encoders=(Encoder("t5", start=False, prepare=_lowered),),
    ),
)

# How to see the denoiser in what wraps it, and whether the wrapper calls it as a module.
WRAPPERS = {
    "OptimizedModule": ("_orig_mod", True),
    "DataParallel": ("module", True),
    "DistributedDataParallel": ("module", True),
    "PeftModel": ("base_model.model", False),
}

REMEDIES = {
    "Sliced": "call pipe.disable_attention_slicing() first",
    "XFormers": "call pipe.disable_xformers_memory_efficient_attention() first",
    "PAG": "a run with perturbed guidance was broken off; call {part}.set_default_attn_processor()",
    "AddedKV": "models of added keys (Kandinsky, DeepFloyd IF) are not served",
    "CustomDiffusion": "unload the custom diffusion weights first",
    "AttnProcessor": "call {part}.set_attn_processor(AttnProcessor2_0()) first",
}


def _parts(pipe_or_model: Any) -> Iterator["Module"]:
    from torch.nn import Module  # here alone: tokenizers are found by the table without torch

    parts = (getattr(pipe_or_model, name, None) for name in ("unet", "transformer"))
    yield from (part for part in (pipe_or_model, *parts) if isinstance(part, Module))


def find_denoiser(pipe_or_model: Any) -> tuple["Module", "Module"]:
    """The module that denoises, and the one that its callers call: itself, or what wraps it.

    Raises `UnsupportedModelError` when there is none.
    """
    for part in _parts(pipe_or_model):
        called = part
        while (wrapper := _wrapper(part)) is not None:
            inner, calls = wrapper
            part = operator.attrgetter(inner)(part)
            called = part if calls else called
        return part, called
    what = type(pipe_or_model).__name__
    if (components := getattr(pipe_or_model, "components", None)) is None:
        raise UnsupportedModelError(
            f"Expected a diffusers pipeline or a denoiser, got {what}; pass the pipeline itself or "
            "its unet or transformer."
        )
    modules = [
        f"{name}: {type(part).__name__}"
        for name, part in components.items()
        if hasattr(part, "parameters")
    ]
    raise UnsupportedModelError(
        f"{what} has no unet or transformer that could be attached to (its models are "
        f"{', '.join(modules) or 'none'}); use a pipeline of Stable Diffusion 1, 2, XL or PixArt."
    )


def _wrapper(module: "Module") -> tuple[str, bool] | None:
    for cls in type(module).__mro__:
        if cls.__name__ in WRAPPERS:
            return WRAPPERS[cls.__name__]
    return None


def family_of(denoiser: "Module") -> Family:
    """The family of `denoiser`, by its class or a base class of it.

    Raises `UnsupportedModelError` when no family in the table fits.
    """
    ancestry = {cls.__name__ for cls in type(denoiser).__mro__}
    for family in FAMILIES:
        if family.denoiser in ancestry:
            return family
    served = ", ".join(family.denoiser for family in FAMILIES)
    raise UnsupportedModelError(
        f"{type(denoiser).__name__} is not a model that can be attached to; served are {served} "
        "(Stable Diffusion 1, 2, XL and PixArt)."
    )


def refuse_pipeline(pipe: Any) -> None:
    """Raise `UnsupportedModelError` for a pipeline whose calls do not draw one picture a row."""
    if hasattr(pipe, "get_views"):
        raise UnsupportedModelError(
            f"{type(pipe).__name__} draws a picture as overlapping views, whose words have no one "
            "place; draw it with a plain pipeline of the same models."
        )


def refuse_processor(layer: str, processor: Any, family: Family, when: str = "") -> None:
    """Raise `UnsupportedModelError` with the remedy if `processor` cannot be served at `layer`.

    `when` says when it was found, if not before the run.
    """
    name = type(processor).__name__
    if name not in family.processors:
        part = "unet" if family.latents == "sample" else "transformer"
        remedy = next(
            (each for start, each in REMEDIES.items() if start in name),
            "undo what installed it before attaching",
        ).format(part=f"pipe.{part}")
        raise UnsupportedModelError(
            f"{layer} runs {name}{when}, which cannot be recorded or edited; expected "
            f"{' or '.join(family.processors)}: {remedy}."
        )
