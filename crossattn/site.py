"""Where attention happens: a `Site` for each attention layer, and choosing among them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from crossattn.denoiser import family_of, find_denoiser
from crossattn.family import Kind


@dataclass(frozen=True)
class Site:
    """What the image attends to in one attention layer of a model: the text, or itself.

    `name` is the module's dotted name, `kind` "cross" or "self" (a layer of joint attention is a
    site of each), `block` the block it stands in ("down.0", "mid", "up.1"), `heads` the number of
    query heads, `level` how often its grid halves the latent's.
    """

    name: str
    kind: Kind
    block: str
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
    own = f"{site.name}.", f"{site.block}."
    return any(known.startswith(f"{name}.") for name in names for known in own)


def site_modules(denoiser: torch.nn.Module) -> Iterator[tuple[Site, Any]]:
    """Each site of `denoiser` with its module, in the order of definition."""
    family = family_of(denoiser)
    for name, module in denoiser.named_modules():
        if type(module).__name__ in family.attention and hasattr(module, "set_processor"):
            block = family.block(name)
            level = family.level(block, denoiser)
            for kind in family.kinds(name, module):
                yield Site(name, kind, block, module.heads, level), module


def sites(pipe_or_model: Any) -> tuple[Site, ...]:
    """Every site of the attention layers of a pipeline or denoiser.

    Raises `UnsupportedModelError` for a model of no known family.
    """
    denoiser, _ = find_denoiser(pipe_or_model)
    return tuple(site for site, _ in site_modules(denoiser))
