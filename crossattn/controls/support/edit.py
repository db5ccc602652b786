"""What all edits share: they count what they touched, and say so when it was nothing."""

import warnings
from typing import Literal

from crossattn.control import Control
from crossattn.controls.support.window import ALWAYS, Window
from crossattn.errors import NothingTouchedError
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import LayerCall, Step

OnNothing = Literal["raise", "warn"]


class NothingTouchedWarning(UserWarning):
    """A control that was told to warn rather than raise was attached and changed nothing."""


class Edit(Control):
    """A control that changes attention, or latents, and knows where it did.

    Acts in its `window`, always unless it has one.
    `touched` holds the (site, step index) pairs of the last run. On leaving an `attach` in which
    nothing was touched it raises `NothingTouchedError`, or with `on_nothing="warn"` it warns.
    """

    window: Window = ALWAYS

    def __init__(self, on_nothing: OnNothing = "raise") -> None:
        self.on_nothing: OnNothing = on_nothing
        self.touched: set[tuple[str, int]] = set()

    def start(self, session: Session) -> None:
        """Forget the run before."""
        self.touched = set()

    def acts(self, site: Site, step: Step) -> bool:
        """In its window."""
        return self.window.contains(step)

    def touch(self, call: LayerCall) -> None:
        """Note that `call` was changed."""
        self.touched.add((call.site.name, call.step.index))

    def finish(self) -> None:
        """Raise, or warn, if nothing was touched."""
        if self.touched:
            return
        message = f"{type(self).__name__} changed nothing: {self.reason()}"
        if self.on_nothing == "raise":
            raise NothingTouchedError(message)
        warnings.warn(message, NothingTouchedWarning, stacklevel=4)

    def reason(self) -> str:
        """Why nothing may have been touched, and what to do, in one sentence."""
        return "the model was not run, or no step lay in its window; widen the window."
