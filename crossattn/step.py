"""What a control is told: one evaluation of the denoiser, and one layer's part in it."""

from dataclasses import dataclass
from typing import NamedTuple

from crossattn.rows import Rows
from crossattn.site import Site


@dataclass(frozen=True)
class Step:
    """One evaluation of the denoiser, as it announced it.

    `run` counts the runs since `attach` was entered. `index` of `total` counts the steps of this
    run from 0: a run that begins late in the schedule (image-to-image) has fewer. `evaluation` is
    the position in the scheduler's timesteps, where a step of second order takes two, and `begun`
    that of the run's first evaluation. Several calls of the denoiser may share an evaluation: one
    for each side of guidance. `timestep` is the scheduler's, `sigma` the noise level at which the
    step begins (standard deviation of the noise relative to the signal), `height` and `width` the
    latent's, in latent pixels, `tokens` the length of the text embedding, `frames` those of a video
    as the denoiser sees them apart.
    """

    run: int
    index: int
    total: int
    evaluation: int
    begun: int
    timestep: float
    sigma: float
    height: int
    width: int
    tokens: int
    rows: Rows
    frames: int = 1

    @property
    def progress(self) -> float:
        """How much of the run lies behind: 0 at the first step, below 1 at the last."""
        return self.index / self.total


class LayerCall(NamedTuple):
    """One visit to a site: `height` × `width` is the site's grid of pixels, `tokens` its keys.

    A video has such a grid for each of `step.frames`, one after another.
    """

    site: Site
    step: Step
    height: int
    width: int
    tokens: int
