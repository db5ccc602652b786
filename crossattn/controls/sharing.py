"""Self-attention taken from the source, by its queries and keys or its keys and values."""

from collections.abc import Callable, Iterable

import torch

from crossattn.attention import Attention
from crossattn.controls.support.composition_grid import coarse_pixels
from crossattn.controls.support.edit import OnNothing
from crossattn.controls.support.edit_source import EditSource, FromSource
from crossattn.controls.support.window import Window
from crossattn.errors import ControlError
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import LayerCall, Step


class ShareSelfAttention(FromSource):
    """Keep the composition: the target's pixels attend to each other as the source's did.

    Attending with the source's queries and keys and the target's values is the same as injecting
    the source's map, which is never formed. Acts in `window` at the self-attention sites of at
    most `pixels` pixels: a quarter of the latent's sides unless given (16 × 16 at least), and in a
    transformer all of them.
    Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022).
    """

    def __init__(
        self,
        window: Window = Window(0.0, 0.4),  # noqa: B008
        *,
        pixels: int | None = None,
        source: EditSource | None = None,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(source, on_nothing)
        self.window = window
        self.pixels = pixels
        self._sites: tuple[Site, ...] = ()
        self._coarse: dict[tuple[int, int, int], int] = {}

    def start(self, session: Session) -> None:
        """Forget the run before; raises `ControlError` if there is no source or no target."""
        super().start(session)
        self.targets(session)
        self._sites, self._coarse = session.sites, {}

    def wants(self, site: Site) -> bool:
        """The self-attention sites."""
        return site.kind == "self"

    def acts(self, site: Site, step: Step) -> bool:
        """In its window, at grids that are coarse enough."""
        height, width = site.grid(step.height, step.width)
        return super().acts(site, step) and step.frames * height * width <= self._most(step)

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Put the source's queries and keys in the target rows."""
        rows = call.step.rows.of_images()
        pairs = [pair for pair in self.origin.pairs(call.step.rows) if pair.image in rows]
        if not pairs:
            return
        query, key = list(attention.query), list(attention.key)
        for pair in pairs:
            row = rows[pair.image]
            query[row], key[row] = self.origin.self_attention(call, attention, pair.source)
        targets = [rows[pair.image] for pair in pairs]
        attention.replace(query=torch.stack(query), key=torch.stack(key), rows=targets)
        self.touch(call)

    def _most(self, step: Step) -> int:
        """The pixels of the finest grid that it acts at."""
        if self.pixels is not None:
            return self.pixels
        if (size := (step.frames, step.height, step.width)) not in self._coarse:
            self._coarse[size] = coarse_pixels(self._sites, step)
        return self._coarse[size]

    def reason(self) -> str:
        """No step in the window, or no site that coarse."""
        return "no step lay in its window, or no site has so few pixels; widen either."


class MutualSelfAttention(FromSource):
    """Change the pose, keep the texture: the target's pixels attend to the source's.

    Target rows attend with their own queries to the source's keys and values, in `window`, at the
    self-attention sites that `sites` chooses: unless given, those of the decoder (up) that are
    finer than its coarsest, and in a transformer the later half. A `source` kept earlier has them
    if it was recorded with `SourceRecorder(keys_values=...)`.
    Cao et al., "MasaCtrl" (2023): from step 4 of 50 and layer 10 of 16.
    """

    def __init__(
        self,
        window: Window = Window(0.08, 1.0),  # noqa: B008
        *,
        sites: Callable[[Site], bool] | None = None,
        source: EditSource | None = None,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(source, on_nothing)
        self.window = window
        self._sites = sites
        self._chosen: frozenset[Site] = frozenset()

    def start(self, session: Session) -> None:
        """Choose the sites; raises `ControlError` if none is left or the source is not there."""
        super().start(session)
        self.targets(session)
        if self._sites is None:
            self._chosen = texture_sites(session.sites)
        else:
            ours = [site for site in session.sites if self.wants(site)]
            self._chosen = frozenset(site for site in ours if self._sites(site))
        if not self._chosen:
            raise ControlError("MutualSelfAttention(sites=...) chose no self-attention site.")

    def wants(self, site: Site) -> bool:
        """The self-attention sites."""
        return site.kind == "self"

    def acts(self, site: Site, step: Step) -> bool:
        """In its window, at the sites that were chosen."""
        return site in self._chosen and super().acts(site, step)

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Put the source's keys and values in the target rows, on both sides of guidance."""
        rows = call.step.rows
        key, value = list(attention.key), list(attention.value)
        targets = []
        for pair in self.origin.pairs(rows):
            for negative, side in enumerate((rows.of_images(), rows.of_images("negative"))):
                if pair.image in side:
                    taken = self.origin.keys_values(call, attention, pair.source, bool(negative))
                    key[side[pair.image]], value[side[pair.image]] = taken
                    targets.append(side[pair.image])
        attention.replace(key=torch.stack(key), value=torch.stack(value), rows=targets)
        self.touch(call)


def texture_sites(sites: Iterable[Site]) -> frozenset[Site]:
    """Where a picture's texture is made: the decoder's self-attention, but for its coarsest.

    A transformer, which has no decoder, makes it in the later half of its blocks.
    """
    own = [site for site in sites if site.kind == "self"]
    up = [site for site in own if site.block.startswith("up")]
    if not up and not any(site.block == "mid" for site in own):
        return frozenset(own[len(own) // 2 :])
    coarsest = max((site.level for site in up), default=0)
    return frozenset([site for site in up if site.level < coarsest] or up)
