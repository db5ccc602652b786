"""What a control is, and what it is told: the step, the call, the attention in flight."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from crossattn.rows import Rows
from crossattn.site import Site

if TYPE_CHECKING:
    from crossattn.attention import Attention
    from crossattn.session import Session


@dataclass(frozen=True)
class Step:
    """One call of the denoiser, as it announced it.

    `index` of `total` counts from 0 in the order of the schedule; a scheduler that calls the
    denoiser twice at one timestep stays at one index, and `call` counts on. `timestep` is the
    model's own number, `sigma` the noise level at it (standard deviation of the noise relative to
    the signal), `height` and `width` the latent's, in latent pixels, `tokens` the length of the
    text embedding.
    """

    index: int
    call: int
    total: int
    timestep: float
    sigma: float
    height: int
    width: int
    tokens: int
    rows: Rows

    @property
    def share(self) -> float:
        """How much of the schedule lies behind: 0 at the first step, below 1 at the last."""
        return self.index / self.total


@dataclass(frozen=True)
class Call:
    """One visit to a site: `height` × `width` is the site's grid of pixels, `tokens` its keys."""

    site: Site
    step: Step
    height: int
    width: int
    tokens: int


class Control:
    """Something attached for the length of a `with`; subclass it and override what you need.

    The constructor takes settings and touches no model. A control that does nothing at a call must
    leave `attention` untouched: the host's own code then runs with its own arguments.
    """

    @property
    def of_latents(self) -> bool:
        """Whether it changes or keeps latents, for which there must be a scheduler."""
        own = type(self)
        return own.shift is not Control.shift or own.after_step is not Control.after_step

    def start(self, session: "Session") -> None:
        """Called on entering, before the first step; raise here if the settings do not fit."""

    def wants(self, site: Site) -> bool:
        """Whether this control ever acts at `site`: the cross-attention sites unless overridden."""
        return site.kind == "cross"

    def before_step(self, step: Step) -> None:
        """Called when the denoiser announces a step."""

    def shift(self, step: Step) -> Tensor | None:
        """What to move the latents by (images, channels, height, width) before this step, or None.

        The denoiser sees them moved, and the scheduler goes on from there.
        """
        return None

    def attend(self, call: Call, attention: "Attention") -> None:
        """Look at, or change, one attention in flight."""

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        """The latents (images, channels, height, width) that the scheduler made, or others."""
        return latents

    def finish(self) -> None:
        """Called on leaving without an error; raise `NothingTouchedError` if nothing was done."""

    def leave(self) -> None:
        """Called on leaving, whatever happened: let go of what the run alone needed."""
