"""What a control is: something attached that looks at attention, changes it, or moves latents."""

from typing import TYPE_CHECKING

from torch import Tensor

from crossattn.attention import Attention
from crossattn.site import Site
from crossattn.step import LayerCall, Step

if TYPE_CHECKING:
    from crossattn.session import Session


class Control:
    """Something attached for the length of a `with`; subclass it and override what you need.

    The constructor takes settings and touches no model. A control that does nothing at a call must
    leave `attention` untouched: the host's own code then runs with its own arguments.
    """

    @property
    def touches_latents(self) -> bool:
        """Whether it reads or changes latents; needs a scheduler."""
        own = type(self)
        return own.shift is not Control.shift or own.after_step is not Control.after_step

    def start(self, session: "Session") -> None:
        """Called on entering, before the first step; raise here if the settings do not fit."""

    def wants(self, site: Site) -> bool:
        """Whether this control ever acts at `site`: the cross-attention sites unless overridden."""
        return site.kind == "cross"

    def acts(self, site: Site, step: Step) -> bool:
        """Whether it is to be shown `site`, one of those it wants, in this call of the denoiser.

        Yes, unless overridden. Asked once a call, after `before_step`; where no control acts, a
        layer runs at the cost of one look-up.
        """
        return True

    def before_step(self, step: Step) -> None:
        """Called at each call of the denoiser, of which an evaluation may have several."""

    def shift(self, step: Step) -> Tensor | None:
        """What to move the latents by (images, channels, height, width), or None.

        Called once an evaluation. The denoiser sees them moved, and the scheduler goes on from
        there.
        """
        return None

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Look at, or change, one attention in flight, at a site where it `acts`."""

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        """The latents (images, channels, height, width) that the scheduler made, or others."""
        return latents

    def finish(self) -> None:
        """Called on leaving without an error; raise `NothingTouchedError` if nothing was done."""

    def leave(self) -> None:
        """Called on leaving, whatever happened: let go of what the run alone needed."""
