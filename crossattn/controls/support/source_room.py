"""What a source's run takes room for, told before it is run."""

from typing import Any

import torch

from crossattn.controls.sharing import texture_sites
from crossattn.controls.support.composition_grid import coarse_pixels, map_sites
from crossattn.controls.support.source_run import (
    CROSS,
    KEYS_VALUES,
    LATENTS,
    MAPS,
    PREDICTED,
    SELF,
    Kept,
)
from crossattn.controls.support.tensor_file import Spec
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import Step


def room_for(session: Session, step: Step, kept: Kept, most_pixels: int | None) -> dict[str, Spec]:
    """The shape and dtype of each tensor of a run, by name.

    Self-attention is kept at sites of at most `most_pixels` pixels: unless that is given, those of
    the grids that decide on composition.
    """
    dtype: torch.dtype = next(session.denoiser.parameters()).dtype
    limit = coarse_pixels(session.sites, step) if most_pixels is None else most_pixels
    specs: dict[str, Spec] = {}
    guided = session.guidance.guided
    # A side that is called for by itself may be yet to come.
    comes = guided or (guided is None and session.family.sides == "calls")
    sides = 1 + bool(step.rows.negative or comes)
    taken = texture_sites(session.sites) if kept.keys_values else ()
    # Queries and the text's keys do not make a map where pixels or a mask have a part in it.
    formed = session.family.order != "cross" or session.family.masked
    for site, module in session.modules.items():
        height, width = site.grid(step.height, step.width)
        pixels, each = height * width, _width(site, module)
        name = f"{CROSS if site.kind == 'cross' else SELF}/{site.name}"
        if site in taken:
            both = (len(kept.keys_values), sides, site.heads, pixels, each), dtype
            specs |= {f"{KEYS_VALUES}/{site.name}/{part}": both for part in ("key", "value")}
        if site.kind == "self" and pixels <= limit:
            shape = (len(kept.own), site.heads, pixels, each)
            specs |= {f"{name}/query": (shape, dtype), f"{name}/key": (shape, dtype)}
        elif site.kind == "cross" and (formed or each > step.tokens):
            shape = (len(kept.cross), site.heads, pixels, step.tokens)
            specs[f"{name}/formed"] = (shape, dtype)
        elif site.kind == "cross":
            shape = (len(kept.cross), site.heads, pixels, each)
            specs[f"{name}/query"] = (shape, dtype)
            specs[f"{name}/key"] = ((site.heads, step.tokens, each), dtype)
    calls = len(kept.timesteps)
    finest = next(iter(words_map_sites(session, step)))
    height, width = finest.grid(step.height, step.width)
    specs[MAPS] = ((calls, height * width, step.tokens), torch.float32)
    picture = (calls, session.latents.channels, step.height, step.width)
    specs[LATENTS] = specs[PREDICTED] = (picture, torch.float32)
    return specs


def words_map_sites(session: Session, step: Step) -> frozenset[Site]:
    """The sites whose mean is the words' map."""
    return map_sites(session.sites, step, session.family.located(session.denoiser))


def _width(site: Site, module: Any) -> int:
    """The width of a head's queries."""
    width = getattr(module, "head_dim", None)
    return int(module.to_q.out_features // site.heads if width is None else width)
