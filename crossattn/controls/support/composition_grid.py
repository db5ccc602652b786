"""The grids that decide on composition, where pixels are few and words have found their places."""

from collections.abc import Collection, Iterable

from crossattn.site import Site
from crossattn.step import Step


def coarse_pixels(sites: Iterable[Site], step: Step) -> int:
    """The most pixels of such a grid: a quarter of the latent's sides, but 16 × 16 at least.

    A video has as many in each frame.

    At 512 × 512 in Stable Diffusion 1 that is the 16 × 16 of prompt-to-prompt. Where no site is as
    coarse, as in transformers, which have one grid, it is the coarsest there is.
    """
    grids = [site.grid(step.height, step.width) for site in sites]
    coarsest = min((height * width for height, width in grids), default=0)
    return step.frames * max(16 * 16, step.height * step.width // 16, coarsest)


def map_sites(sites: Iterable[Site], step: Step, known: Collection[str] = ()) -> frozenset[Site]:
    """The cross-attention sites that words are located by: those of the finest coarse grid.

    Of these, where blocks are `known` to find words best, the ones in such blocks.
    """
    pixels: dict[Site, int] = {}
    for site in sites:
        if site.kind == "cross":
            height, width = site.grid(step.height, step.width)
            pixels[site] = step.frames * height * width
    coarse = [count for count in pixels.values() if count <= coarse_pixels(pixels, step)]
    finest = max(coarse, default=0)
    found = frozenset(site for site, count in pixels.items() if count == finest)
    return frozenset(site for site in found if site.block in known) or found
