"""Keeping everything but the place where words were changed."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.controls.support.blend_places import (
    BlendPlaces,
    By,
    Group,
    blend_places,
    named_places,
)
from crossattn.controls.support.composition_grid import map_sites
from crossattn.controls.support.edit import OnNothing
from crossattn.controls.support.edit_source import EditSource, FromSource, Pair
from crossattn.controls.support.token_positions import listed
from crossattn.controls.support.window import Window
from crossattn.errors import ControlError
from crossattn.family import Family
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import LayerCall, Step

SOURCE = -1
"""Number of a source that is not in the batch."""

THRESHOLDS: dict[By, float] = {"words": 0.3, "nouns": 0.4}
"""How strong a word must be to be there, unless told."""


class LocalBlend(FromSource):
    """Change the picture only where `words` are, in the source or in the target.

    Outside their places the source's latents stay; places of `protect` stay too. By "words" these
    are, unless named, all that the prompts do not share: their maps at the coarse sites, summed
    over the steps so far, are pooled (3 × 3) and cut at `threshold` (0.3) of their maximum; places
    to protect, unpooled, at `protect_threshold`. By "nouns" they are the nouns that change or that
    changed words are said of, and where a place changes, all but the nouns that stay
    (`crossattn.controls.support.nouns` has the rule): each noun's map, that of the whole run where
    the source was kept, is stretched from 0 to 1, cut at `threshold` (0.4) and grown by 3 × 3, and
    the nouns that stay are protected. What `by` is, unless given, the model decides: nouns in joint
    attention, else words; samples/bench/editing_truth.py compares them.

    Acts in `window`; after a run `masks` holds for each target image the last mask, bool (height,
    width) of the latent. Place it behind the edits of attention in a chain, so that it sees what
    they made of the maps.

    With `mask`, bool (height, width), the places are settled before the run: it is brought to the
    latent's size, and `words` (none unless given) add to it where the target has them. In the
    window `margin` (none unless given) what stays, outside the mask or where a place changes, is
    larger by one place of the grid, so that its edges stay its own.

    Raises `WordNotFoundError` for a word that neither prompt has, `ControlError` for no word.
    Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022).
    """

    def __init__(
        self,
        words: str | Sequence[str] | None = None,
        *,
        protect: str | Sequence[str] = (),
        by: By | None = None,
        threshold: float | None = None,
        protect_threshold: float = 0.3,
        window: Window = Window(0.2, 1.0),  # noqa: B008
        mask: Tensor | None = None,
        margin: Window = Window(0.0, 0.0),  # noqa: B008
        source: EditSource | None = None,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(source, on_nothing)
        for name, value in (("threshold", threshold), ("protect_threshold", protect_threshold)):
            if value is not None and not 0 <= value < 1:
                raise ControlError(f"LocalBlend({name}={value:g}): expected a number from 0 to 1.")
        self.words = None if words is None else listed(words)
        self.protect = listed(protect)
        self.by = by
        self.threshold = threshold
        self.protect_threshold = protect_threshold
        self.window = window
        self.mask = mask
        self.margin = margin
        self._masks: dict[int, Tensor] = {}
        self._by: By = "words"
        self._changed: dict[int, BlendPlaces] = {}
        self._protected: dict[int, BlendPlaces] = {}
        self._sums: dict[int, Tensor] = {}
        self._run = -1
        self._sites: frozenset[Site] = frozenset()

    @property
    def masks(self) -> dict[int, Tensor]:
        """The last mask of each target image, by its number: bool (height, width)."""
        return {image: mask.cpu() for image, mask in self._masks.items()}

    def start(self, session: Session) -> None:
        super().start(session)
        self._run = -1
        source = self.origin.prompt(session)
        targets = self.targets(session)
        self._by = self.by or usual_blend(session.family)
        self._protected = named_places(self.protect, source, targets, self._by)
        if self.mask is not None:
            asked = named_places(self.words or (), source, targets, self._by)
            self._changed = {n: BlendPlaces((), each.target) for n, each in asked.items()}
            return
        if self.words is None:
            self._changed = {n: blend_places(source, each, self._by) for n, each in targets.items()}
        else:
            self._changed = named_places(self.words, source, targets, self._by)
        for number, found in self._changed.items():
            if not found:
                raise ControlError(
                    f"LocalBlend has no word to change between {source.text!r} and "
                    f"{targets[number].text!r}; name one."
                )

    def before_step(self, step: Step) -> None:
        """Begin a run; and take the source's map where it was kept."""
        super().before_step(step)
        session = self._session
        assert session is not None
        if step.run != self._run:
            self._sums, self._masks, self._run = {}, {}, step.run
            known = session.family.located(session.denoiser)
            self._sites = map_sites(session.sites, step, known)
            if self._by == "nouns" and (whole := self.origin.whole_map()) is not None:
                self._sums[SOURCE] = whole.to(session.latents.given.device)
        words = self._by == "words" and step.rows.positive
        if words and (kept := self.origin.map(step)) is not None:
            self._add(SOURCE, kept.to(session.latents.given.device))

    def acts(self, site: Site, step: Step) -> bool:
        """At every step, where maps are taken from, if any are needed."""
        return site in self._sites and self._looks

    @torch.no_grad()
    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Sum the maps of the source and target rows."""
        pairs = self.origin.pairs(call.step.rows)
        images = {pair.image for pair in pairs}
        if self.origin.map(call.step) is None:
            images |= {pair.source for pair in pairs}
        for image, row, _ in call.step.rows.conditional():
            if image not in images:
                continue
            self._add(image, attention.probabilities(row).mean(0) / len(self._sites))

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        """Put the source's latents back outside the masks."""
        if not self.window.contains(step):
            return latents
        blended = list(latents)
        for pair in self.origin.pairs(step.rows):
            mask = self._mask(pair, step, latents.device)
            source = self.origin.latents(step, latents, pair.source)
            blended[pair.image] = torch.where(mask, latents[pair.image], source)
            self._masks[pair.image] = mask
        self.touched |= {(site.name, step.index) for site in self._sites}
        return torch.stack(blended)

    def leave(self) -> None:
        """Let go of the model, and of the maps on its device."""
        super().leave()
        self._sums = {}

    @property
    def _looks(self) -> bool:
        """Whether any map is needed, or the mask is all that was given."""
        return any((*self._changed.values(), *self._protected.values()))

    def _add(self, image: int, probs: Tensor) -> None:
        self._sums[image] = self._sums[image] + probs if image in self._sums else probs

    def _mask(self, pair: Pair, step: Step, device: torch.device) -> Tensor:
        mask = torch.zeros(step.height, step.width, dtype=torch.bool, device=device)
        if self.mask is not None:
            given = self.mask[None, None].float().to(device)
            if self.margin.contains(step):
                given = 1 - F.max_pool2d(1 - given, 3, stride=1, padding=1)
            mask |= F.interpolate(given, size=mask.shape, mode="nearest")[0, 0] > 0
        if not self._looks:
            return mask
        source = self._sums[SOURCE if SOURCE in self._sums else pair.source]
        target = self._sums[pair.image]
        changed, protected = self._changed[pair.prompt], self._protected[pair.prompt]
        mask = self._where(source, changed.source, step) | self._where(target, changed.target, step)
        if changed.around is not None:
            grown = self.margin.contains(step)
            mask |= ~self._where(source, changed.around, step, protect=True, grown=grown)
        for maps, groups in ((source, protected.source), (target, protected.target)):
            mask &= ~self._where(maps, groups, step, protect=True)
        return mask

    def _where(
        self,
        maps: Tensor,
        groups: Sequence[Group],
        step: Step,
        protect: bool = False,
        grown: bool = False,
    ) -> Tensor:
        """The pixels of any of `groups` in maps (pixels, tokens): bool, of the latent's size."""
        threshold = THRESHOLDS[self._by] if self.threshold is None else self.threshold
        threshold = self.protect_threshold if protect else threshold
        size = step.height, step.width
        mask = maps.new_zeros(size, dtype=torch.bool)
        for tokens in groups:
            heat = maps[:, list(tokens)].sum(-1).view(1, 1, *next(iter(self._sites)).grid(*size))
            if self._by == "nouns":
                heat = heat - heat.amin()
            if grown or not protect:
                heat = F.max_pool2d(heat, 3, stride=1, padding=1)
            heat = F.interpolate(heat, size=size, mode="nearest")[0, 0]
            mask |= heat > threshold * heat.max()
        return mask


def usual_blend(family: Family) -> By:
    """What a blend goes by in models of a family, unless told."""
    return "words" if family.order == "cross" else "nouns"
