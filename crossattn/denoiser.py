"""Finding what denoises in a pipeline, and saying what cannot be attached to."""

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from crossattn.errors import UnsupportedModelError
from crossattn.families import FAMILIES
from crossattn.family import Family

if TYPE_CHECKING:
    from torch.nn import Module

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
    "IPAdapter": "call pipe.unload_ip_adapter() first",
    "AttnProcessor": "call {part}.set_attn_processor({own}()) first",
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
        f"{', '.join(modules) or 'none'}); served are {_served()}."
    )


def denoisers_in_turn(pipe_or_model: Any) -> "tuple[tuple[Module, Module], ...]":
    """All that denoise, as `find_denoiser` gives each: two where a second takes over in mid-run.

    Raises `UnsupportedModelError` when there is none, and when the second is of another kind.
    """
    first = find_denoiser(pipe_or_model)
    if (other := getattr(pipe_or_model, "transformer_2", None)) is None:
        return (first,)
    second = find_denoiser(other)
    if [type(part) for part in first[0].modules()] != [type(part) for part in second[0].modules()]:
        raise UnsupportedModelError(
            f"{type(pipe_or_model).__name__} draws with two transformers in turn that are not made "
            "alike, so that their layers have no maps together; attach to one of them."
        )
    return first, second


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
    raise UnsupportedModelError(
        f"{type(denoiser).__name__} is not a model that can be attached to; served are {_served()}."
    )


def _served() -> str:
    titles = [family.title for family in FAMILIES]
    return f"{', '.join(titles[:-1])} and {titles[-1]}"


def refuse_pipeline(pipe: Any) -> None:
    """Raise `UnsupportedModelError` for a pipeline that draws no picture as a whole."""
    if hasattr(pipe, "get_views"):
        raise UnsupportedModelError(
            f"{type(pipe).__name__} draws a picture as overlapping views, whose words have no one "
            "place; draw it with a plain pipeline of the same models."
        )


def refuse_processor(layer: str, processor: type, family: Family, when: str = "") -> None:
    """Raise `UnsupportedModelError` with the remedy if `processor` cannot be served at `layer`.

    `when` says when it was found, if not before the run.
    """
    name = processor.__name__
    if name not in family.processors:
        part = "unet" if family.inputs.latents == "sample" else "transformer"
        remedy = next(
            (each for start, each in REMEDIES.items() if start in name),
            "undo what installed it before attaching",
        ).format(part=f"pipe.{part}", own=next(iter(family.processors)))
        raise UnsupportedModelError(
            f"{layer} runs {name}{when}, which cannot be recorded or edited; expected "
            f"{' or '.join(family.processors)}: {remedy}."
        )
