"""A control that acts at some of a run's steps alone."""

from collections.abc import Collection

from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import LayerCall, Step


class During(Control):
    """Shows a control the steps of these indices, and hides the others from it."""

    def __init__(self, control: Control, steps: Collection[int]) -> None:
        self.control = control
        self.steps = frozenset(steps)

    @property
    def touches_latents(self) -> bool:
        """As the control."""
        return self.control.touches_latents

    def start(self, session: Session) -> None:
        self.control.start(session)

    def wants(self, site: Site) -> bool:
        return self.control.wants(site)

    def before_step(self, step: Step) -> None:
        if step.index in self.steps:
            self.control.before_step(step)

    def shift(self, step: Step) -> Tensor | None:
        return self.control.shift(step) if step.index in self.steps else None

    def acts(self, site: Site, step: Step) -> bool:
        return step.index in self.steps and self.control.acts(site, step)

    def attend(self, call: LayerCall, attention: Attention) -> None:
        self.control.attend(call, attention)

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        return self.control.after_step(step, latents) if step.index in self.steps else latents

    def finish(self) -> None:
        self.control.finish()

    def leave(self) -> None:
        self.control.leave()
