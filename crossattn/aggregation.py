"""Joining the maps of many sites into one: the recipes a trace can be read by."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from crossattn.errors import TraceError
from crossattn.heatmap import resize
from crossattn.site import Site
from crossattn.view import View

Join = Callable[[View, Sequence[int]], Tensor]


def mean(view: View, tokens: Sequence[int]) -> Tensor:
    """All sites alike: (height, width), a share, which over all tokens together is 1 everywhere."""
    return _power_mean(view, view.visited, tokens, 1)


def semantic(view: View, tokens: Sequence[int]) -> Tensor:
    """The root mean square over the sites that find words best.

    Those are the blocks that are known for it in the model, else the sites whose grid is nearest in
    area to 16 × 16: in a transformer, which has one grid, all of them.

    Gives (height, width), no less than their mean. Finer grids follow texture and coarser ones lose
    the place; 16 × 16 is where prompt-to-prompt (Hertz et al. 2022) and Attend-and-Excite (Chefer
    et al. 2023) read Stable Diffusion's words. The square lets the sites and, where they were kept,
    the heads that answer to a word count for more than those that do not; samples/bench/truth.py
    measures by how much that finds objects better.
    """

    def distance(site: Site) -> float:
        height, width = view.grid(site)
        return max(height * width / 256, 256 / (height * width))

    visited = view.visited
    known = [site for site in visited if site.block in view.record.layout.located]
    nearest = min(map(distance, visited))
    sites = known or [site for site in visited if distance(site) == nearest]
    return _power_mean(view, sites, tokens, 2)


def daam(view: View, tokens: Sequence[int]) -> Tensor:
    """DAAM (Tang et al. 2022): (height, width), summed over steps and not divided.

    Down and up blocks above the eighth of the latent's grid; each head up-sampled by itself and
    kept at 0 or above; the mean over heads, sites and the word's tokens. Raises `TraceError` if
    heads were not kept.
    """
    layout = view.record.layout
    if not layout.heads:
        raise TraceError('by("daam") up-samples each head by itself: use Recorder(heads=True).')
    sites = [site for site in view.visited if site.block != "mid" and site.level < 3]
    if not sites:
        raise TraceError('by("daam") reads the down and up blocks; the view holds none of them.')
    size = layout.height, layout.width
    each = [resize(view.sums(site, (token,)), *size) for site in sites for token in tokens]
    return torch.cat(each).mean(0)


JOINS: dict[str, Join] = {"semantic": semantic, "mean": mean, "daam": daam}


def _power_mean(view: View, sites: Sequence[Site], tokens: Sequence[int], power: int) -> Tensor:
    """The power mean of probabilities over heads, then over sites: (height, width)."""
    layout = view.record.layout
    grids: dict[tuple[int, int], list[Tensor]] = {}
    for site in sites:
        heads = view.mean(site, tokens)
        grids.setdefault(view.grid(site), []).append(heads.pow(power).mean(0))
    # Up-sampling is linear but for its clamp, so once a grid does what once a site would.
    total = torch.stack(
        [resize(torch.stack(m).sum(0), layout.height, layout.width) for m in grids.values()]
    ).sum(0)
    return (total / len(sites)).pow(1 / power)
