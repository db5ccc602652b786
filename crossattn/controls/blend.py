"""Keeping everything but the place where words were changed."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.controls.support.alignment import align
from crossattn.controls.support.composition_grid import map_sites
from crossattn.controls.support.edit import OnNothing
from crossattn.controls.support.edit_source import EditSource, FromSource, Pair
from crossattn.controls.support.token_positions import listed, positions_by_prompt
from crossattn.controls.support.window import Window
from crossattn.errors import ControlError
from crossattn.session import Session
from crossattn.site import Site
from crossattn.step import LayerCall, Step
from crossattn.words import Prompt

SOURCE = -1
"""Number of a source that is not in the batch."""

Places = dict[int, tuple[list[int], list[int]]]
"""For each target prompt, tokens of the source and tokens of the target."""


class LocalBlend(FromSource):
    """Change the picture only where `words` are, in the source or in the target.

    Their maps at the coarse sites, summed over the steps so far, are pooled (3 × 3), brought to
    the latent's size and cut at `threshold` of their maximum; outside the union the source's
    latents stay. Places of `protect` (over `protect_threshold`) stay too. Without `words` they
    are those that the two prompts do not share. Acts in `window`; after a run `masks` holds for
    each target image the last mask, bool (height, width) of the latent. Place it behind the edits
    of attention in a chain, so that it sees what they made of the maps.

    With `mask`, bool (height, width), the places are settled before the run: it is brought to the
    latent's size, and `words` (none unless given) add to it where the target has them.

    Raises `WordNotFoundError` for a word that neither prompt has, `ControlError` for no word.
    Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022).
    """

    def __init__(
        self,
        words: str | Sequence[str] | None = None,
        *,
        protect: str | Sequence[str] = (),
        threshold: float = 0.3,
        protect_threshold: float = 0.3,
        window: Window = Window(0.2, 1.0),  # noqa: B008
        mask: Tensor | None = None,
        source: EditSource | None = None,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(source, on_nothing)
        for name, value in (("threshold", threshold), ("protect_threshold", protect_threshold)):
            if not 0 <= value < 1:
                raise ControlError(f"LocalBlend({name}={value:g}): expected a number from 0 to 1.")
        self.words = None if words is None else listed(words)
        self.protect = listed(protect)
        self.threshold = threshold
        self.protect_threshold = protect_threshold
        self.window = window
        self.mask = mask
        self._masks: dict[int, Tensor] = {}
        self._changed: Places = {}
        self._protected: Places = {}
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
        self._protected = _places(self.protect, source, targets)
        if self.mask is not None:
            places = _places(self.words or (), source, targets)
            self._changed = {number: ([], after) for number, (_, after) in places.items()}
            return
        if self.words is None:
            self._changed = {number: _unshared(source, each) for number, each in targets.items()}
        else:
            self._changed = _places(self.words, source, targets)
        for number, found in self._changed.items():
            if not any(found):
                raise ControlError(
                    f"LocalBlend has no word to change between {source.text!r} and "
                    f"{targets[number].text!r}; name one."
                )

    def before_step(self, step: Step) -> None:
        """Begin a run; and take the source's map where it was kept."""
        super().before_step(step)
        assert self._session is not None
        if step.run != self._run:
            self._sums, self._masks, self._run = {}, {}, step.run
            self._sites = map_sites(self._session.sites, step)
        if step.rows.positive and (kept := self.origin.map(step)) is not None:
            self._add(SOURCE, kept.to(self._session.latents.given.device))

    @torch.no_grad()
    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Sum the maps of the source and target rows."""
        if call.site not in self._sites or not self._looks:
            return
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
        places = (*self._changed.values(), *self._protected.values())
        return any(tokens for pair in places for tokens in pair)

    def _add(self, image: int, probs: Tensor) -> None:
        self._sums[image] = self._sums[image] + probs if image in self._sums else probs

    def _mask(self, pair: Pair, step: Step, device: torch.device) -> Tensor:
        mask = torch.zeros(step.height, step.width, dtype=torch.bool, device=device)
        if self.mask is not None:
            given = self.mask[None, None].float().to(device)
            mask |= F.interpolate(given, size=mask.shape, mode="nearest")[0, 0] > 0
        if not self._looks:
            return mask
        source = self._sums[SOURCE if SOURCE in self._sums else pair.source]
        both = source, self._sums[pair.image]
        for maps, tokens in zip(both, self._changed[pair.prompt], strict=True):
            if tokens:
                mask |= self._cut(maps, tokens, step, pool=True)
        for maps, tokens in zip(both, self._protected[pair.prompt], strict=True):
            if tokens:
                mask &= ~self._cut(maps, tokens, step, pool=False)
        return mask

    def _cut(self, maps: Tensor, tokens: list[int], step: Step, pool: bool) -> Tensor:
        height, width = next(iter(self._sites)).grid(step.height, step.width)
        words = maps[:, tokens].sum(-1).view(1, 1, height, width)
        if pool:
            words = F.max_pool2d(words, 3, stride=1, padding=1)
        words = F.interpolate(words, size=(step.height, step.width), mode="nearest")[0, 0]
        threshold = self.threshold if pool else self.protect_threshold
        return words > threshold * words.max()


def _places(words: Sequence[str], source: Prompt, targets: Mapping[int, Prompt]) -> Places:
    """The tokens of words in the source and in each target that have them."""
    prompts = {SOURCE: source, **targets}
    found = [positions_by_prompt(prompts, word) for word in words]
    return {
        number: (
            [token for each in found for token in each.get(SOURCE, [])],
            [token for each in found for token in each.get(number, [])],
        )
        for number in targets
    }


def _unshared(source: Prompt, target: Prompt) -> tuple[list[int], list[int]]:
    """The tokens of the source's and of the target's words that the other does not have."""
    alignment = align(source, target, "refine")
    every = (alignment, *alignment.behind)
    dropped = [token for each in every for unit in each.dropped for token in unit.tokens]
    return dropped, [t for each in every for unit in each.unmatched for t in unit.tokens]
