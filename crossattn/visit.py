"""A visit to a layer: from entering an attention layer to leaving it, its attention is shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.denoiser import refuse_processor
from crossattn.errors import UnsupportedModelError
from crossattn.intercept import SdpaCall, listener

if TYPE_CHECKING:
    from crossattn.session import Session


class Visit:
    """One forward pass of an attention layer, and the sessions that its attention is shown to.

    `which` of the processor's calls of `scaled_dot_product_attention` meets the text; the others
    (an IP-Adapter's, to its pictures) are the host's alone.
    """

    def __init__(self, module: torch.nn.Module, which: int) -> None:
        self.module = module
        self.which = which
        self.calls = 0
        self.sessions: list[tuple[Session, str]] = []

    def __call__(self, call: SdpaCall) -> Tensor:
        """What the host is to get of its call."""
        self.calls += 1
        if self.calls - 1 != self.which:
            return call.run()
        session, layer = self.sessions[0]
        attention = session.open(layer, call)
        for session, layer in self.sessions:
            session.attend(layer, attention)
        return attention.output()


def enter(session: "Session", layer: str) -> Callable[..., None]:
    """What begins a visit to that layer, or joins the one that another session has begun."""

    def begin(module: Any, args: Any, kwargs: Any) -> None:
        if not session.acts_at(layer):
            return
        visit = listener.get()
        if not isinstance(visit, Visit) or visit.module is not module:
            processor = module.processor
            refuse_processor(layer, processor, session.family, " in the middle of the run")
            visit = Visit(module, session.family.processors[type(processor).__name__])
            listener.set(visit)
        visit.sessions.append((session, layer))

    return begin


def leave(module: Any, args: Any, kwargs: Any, output: Any) -> None:
    """End the visit, if there is one; a layer whose outcome a cache gave was not visited.

    Raises `UnsupportedModelError` if the processor attended without the call that is listened for.
    """
    visit = listener.get()
    if not isinstance(visit, Visit) or visit.module is not module:
        return
    listener.set(None)
    # None: the layer failed. Hooks of the host library may give what they kept from before.
    if visit.calls > visit.which or output is None or hasattr(module, "_diffusers_hook"):
        return
    _, layer = visit.sessions[0]
    raise UnsupportedModelError(
        f"{layer} ran {type(module.processor).__name__}, which did not call torch.nn.functional"
        ".scaled_dot_product_attention, so it cannot be recorded or edited: undo what replaced its "
        "attention (SageAttention, xformers, another backend) before attaching."
    )


def forget() -> None:
    """End a visit that was broken off."""
    listener.set(None)
