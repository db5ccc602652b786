"""The one processor: it runs the host's own, and stands where that calls attention."""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from crossattn.attention import Attention
from crossattn.errors import UnsupportedModelError
from crossattn.meeting import HostCall, Meeting
from crossattn.site import Site

if TYPE_CHECKING:
    from crossattn.session import Session


class SiteProcessor:
    """Runs the host's processor untouched and shows its attention to the attached sessions.

    The host's code is never rewritten: its own call of `scaled_dot_product_attention` is met on
    the way, so norms, LoRA, offload hooks and quantised layers are the host's business.
    """

    def __init__(self, host: Any = None, site: Site | None = None) -> None:
        if host is None:
            # The host library makes one without arguments when it loads an IP-Adapter.
            from diffusers.models.attention_processor import AttnProcessor2_0

            host = AttnProcessor2_0()
        self.host = host
        self.site = site
        self.sessions: list[Session] = []
        # Attention.forward drops every keyword that it does not find in the signature of
        # `processor.__call__`, which is looked up here and called on the class.
        self.__dict__["__call__"] = self.host.__call__

    def __call__(self, attn: Any, *args: Any, **kwargs: Any) -> Tensor:
        """What the host's processor returns, with the controls' doing in it."""
        site = self.site
        sessions = [s for s in self.sessions if site is not None and s.acts_at(site)]
        if site is None or not sessions:
            result: Tensor = self.host(attn, *args, **kwargs)
            return result

        def meet(call: HostCall) -> Tensor:
            attention = Attention(call)
            for session in sessions:
                session.attend(site, attention)
            return attention.output()

        meeting = Meeting(meet)
        with meeting:
            result = self.host(attn, *args, **kwargs)
        if meeting.calls != 1:
            raise UnsupportedModelError(
                f"{site.name} ran {type(self.host).__name__}, which called attention "
                f"{meeting.calls} times where once was expected; it cannot be recorded or edited."
            )
        return result
