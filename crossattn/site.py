"""Where attention happens: a `Site` for each attention layer, by a table of model families."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch

from crossattn.errors import UnsupportedModelError

Kind = Literal["cross", "self"]


@dataclass(frozen=True)
class Site:
    """One attention layer of a model.

    `name` is the module's dotted name, `place` the block it stands in ("down.0", "mid", "up.1"),
    `heads` the number of query heads, `level` how often its grid halves the latent's.
    """

    name: str
    kind: Kind
    place: str
    heads: int
    level: int

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """The site's (height, width) in pixels, for a latent of that height and width."""
        for _ in range(self.level):
            height, width = (height + 1) // 2, (width + 1) // 2
        return height, width


# Blocks or sites by name ("up", "down.1", a full name), or a test of a site.
Layers = str | Collection[str] | Callable[[Site], bool]


def is_among(site: Site, layers: Layers | None) -> bool:
    """Whether a site is one of those layers; None is all of them."""
    if layers is None:
        return True
    if callable(layers):
        return layers(site)
    names = (layers,) if isinstance(layers, str) else layers
    own = f"{site.name}.", f"{site.place}."
    return any(known.startswith(f"{name}.") for name in names for known in own)


@dataclass(frozen=True)
class Family:
    """How to read one denoiser class: which of its processors can be served, and their modules.

    `processors` names the host's processor classes that compute exactly one
    `scaled_dot_product_attention` over (rows, heads, pixels, width).
    """

    denoiser: str
    attention: str
    processors: frozenset[str]

    def kind(self, attention: Any) -> Kind:
        """What the layer attends to; read from the layer itself, since names mislead."""
        return "cross" if attention.is_cross_attention else "self"

    def place(self, name: str) -> str:
        """The block of a layer called `name`, such as "down.0"."""
        block, index, *_ = name.split(".")
        return "mid" if block == "mid_block" else f"{block.removesuffix('_blocks')}.{index}"

    def level(self, place: str, denoiser: Any) -> int:
        """Halvings of the latent at `place`: every down block but the last ends in one."""
        deepest = len(denoiser.down_blocks) - 1
        side, _, index = place.partition(".")
        if side == "mid":
            return deepest
        return int(index) if side == "down" else deepest - int(index)


FAMILIES = (
    # SD1.x, SD2.x, SDXL and everything built on their UNet.
    Family("UNet2DConditionModel", "Attention", frozenset({"AttnProcessor2_0"})),
)


def find_denoiser(pipe_or_model: Any) -> torch.nn.Module:
    """The module that denoises: a pipeline's UNet or transformer, or the model itself.

    Raises `UnsupportedModelError` when there is none.
    """
    for name in ("unet", "transformer"):
        if isinstance(part := getattr(pipe_or_model, name, None), torch.nn.Module):
            return part
    if isinstance(pipe_or_model, torch.nn.Module):
        return pipe_or_model
    raise UnsupportedModelError(
        f"Expected a diffusers pipeline or a denoiser, got {type(pipe_or_model).__name__}; "
        "pass the pipeline itself or its unet."
    )


def family_of(denoiser: torch.nn.Module) -> Family:
    """The family of `denoiser`, by its class or a base class of it.

    Raises `UnsupportedModelError` when no family in the table fits.
    """
    ancestry = {cls.__name__ for cls in type(denoiser).__mro__}
    for family in FAMILIES:
        if family.denoiser in ancestry:
            return family
    served = ", ".join(family.denoiser for family in FAMILIES)
    raise UnsupportedModelError(
        f"{type(denoiser).__name__} is not a model that can be attached to; served are: {served}."
    )


def site_modules(denoiser: torch.nn.Module) -> Iterator[tuple[Site, Any]]:
    """Each site of `denoiser` with its module, in the order of definition."""
    family = family_of(denoiser)
    for name, module in denoiser.named_modules():
        if type(module).__name__ == family.attention and hasattr(module, "set_processor"):
            place = family.place(name)
            level = family.level(place, denoiser)
            yield Site(name, family.kind(module), place, module.heads, level), module


def sites(pipe_or_model: Any) -> tuple[Site, ...]:
    """Every attention layer of a pipeline or denoiser.

    Raises `UnsupportedModelError` for a model of no known family.
    """
    return tuple(site for site, _ in site_modules(find_denoiser(pipe_or_model)))


def check_processors(denoiser: torch.nn.Module) -> None:
    """Raise `UnsupportedModelError`, naming it, for the first processor that cannot be served."""
    family = family_of(denoiser)
    for site, module in site_modules(denoiser):
        name = type(module.processor).__name__
        if getattr(module, "fused_projections", False):
            raise UnsupportedModelError(
                f"{site.name} has fused projections ({name}); "
                "call pipe.unfuse_qkv_projections() first."
            )
        if name not in family.processors and name != "SiteProcessor":
            raise UnsupportedModelError(
                f"{site.name} runs {name}, which cannot be recorded or edited; expected "
                f"{' or '.join(sorted(family.processors))}: undo what installed it (IP-Adapter, "
                "xformers, attention slicing, fused projections) or call "
                "unet.set_attn_processor(AttnProcessor2_0())."
            )
