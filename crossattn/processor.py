"""The one processor: it runs the host's own, and stands where that calls attention."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode

from crossattn.attention import Attention
from crossattn.errors import UnsupportedModelError
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
        meeting = _Meeting(site, sessions)
        with meeting:
            result = self.host(attn, *args, **kwargs)
        if meeting.calls != 1:
            raise UnsupportedModelError(
                f"{site.name} ran {type(self.host).__name__}, which called attention "
                f"{meeting.calls} times where once was expected; it cannot be recorded or edited."
            )
        return result


class _Meeting(TorchFunctionMode):
    """Meets the host's call of `scaled_dot_product_attention`."""

    def __init__(self, site: Site, sessions: Sequence["Session"]) -> None:
        super().__init__()
        self.site = site
        self.sessions = sessions
        self.calls = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        self.calls += 1
        return self._attend(*args, **(kwargs or {}))

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **options: Any,
    ) -> Tensor:
        def host(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
            return F.scaled_dot_product_attention(
                query,
                key,
                value,
                attn_mask=mask,
                dropout_p=dropout_p,
                is_causal=is_causal,
                scale=scale,
                **options,
            )

        attention = Attention(host, query, key, value, attn_mask, scale)
        for session in self.sessions:
            session.attend(self.site, attention)
        return attention.output()
