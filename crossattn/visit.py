"""A visit to a layer: from entering an attention layer to leaving it, its attention is shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.denoiser import refuse_processor
from crossattn.errors import UnsupportedModelError
from crossattn.hooks import Hook
from crossattn.intercept import SdpaCall, listener

if TYPE_CHECKING:
    from crossattn.session import Session


class Visit:
    """One forward pass of an attention layer, and the sessions that its attention is shown to.

    It hears the one of the processor's calls of `scaled_dot_product_attention` that meets the text;
    those `before` it and after it (an IP-Adapter's, to its pictures) are the host's alone.
    """

    __slots__ = "before", "module", "sessions"

    def __init__(self, module: torch.nn.Module, before: int) -> None:
        self.module = module
        self.before = before
        self.sessions: list[tuple[Session, str]] = []

    def __call__(self, call: SdpaCall) -> Tensor:
        """What the host is to get of its call."""
        if self.before:
            self.before -= 1
            output = call.run()
            listener.set(self)
            return output
        session, layer = self.sessions[0]
        attention = session.layers.open(layer, call, session.step)
        for session, layer in self.sessions:
            session.layers.attend(layer, attention, session.step)
        return attention.output()


class _Enter(Hook):
    """Begins a visit to a layer, or joins the one that another session has begun."""

    def __init__(self, session: "Session", layer: str) -> None:
        self._session = session
        self._layer = layer
        self._processor: type | None = None
        self._before = 0

    def __call__(self, module: Any, *args: Any) -> None:
        session, layer = self._session, self._layer
        if not session.acts_at(layer):
            return
        visit = listener.get()
        if not isinstance(visit, Visit) or visit.module is not module:
            processor = type(module.processor)
            if processor is not self._processor:
                refuse_processor(layer, processor, session.family, " in the middle of the run")
                self._processor = processor
                self._before = session.family.processors[processor.__name__]
            visit = Visit(module, self._before)
            listener.set(visit)
        visit.sessions.append((session, layer))


class _Leave(Hook):
    """Ends the visit of a layer that did not attend: it failed, or a cache gave its outcome.

    Raises `UnsupportedModelError` if the processor attended without the call that is listened for.
    """

    def __call__(self, module: Any, *args: Any) -> None:
        visit = listener.get()
        if not isinstance(visit, Visit) or visit.module is not module:
            return
        listener.set(None)
        # None: the layer failed. Hooks of the host library may give what they kept from before.
        if args[-1] is None or hasattr(module, "_diffusers_hook"):
            return
        _, layer = visit.sessions[0]
        raise UnsupportedModelError(
            f"{layer} ran {type(module.processor).__name__}, which did not call torch.nn.functional"
            ".scaled_dot_product_attention, so it cannot be recorded or edited: undo what replaced "
            "its attention (SageAttention, xformers, another backend) before attaching."
        )


def listen(module: torch.nn.Module, session: "Session", layer: str) -> Callable[[], None]:
    """Show a session each visit to a layer; returns how to stop."""
    entering = module.register_forward_pre_hook(_Enter(session, layer))
    leaving = module.register_forward_hook(_Leave(), always_call=True)

    def stop() -> None:
        entering.remove()
        leaving.remove()

    return stop


def forget() -> None:
    """End a visit that was broken off."""
    listener.set(None)
