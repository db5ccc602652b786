"""Telling words where to be, by a bias on the logits inside or outside their regions."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.controls.support.edit import Edit, OnNothing
from crossattn.controls.support.edit_source import edited_prompts
from crossattn.controls.support.token_positions import positions_by_prompt
from crossattn.controls.support.window import ALWAYS, Window
from crossattn.errors import ControlError
from crossattn.session import Session
from crossattn.softmax import chunking_on, heads_at_once, without_autocast
from crossattn.step import LayerCall


@dataclass(frozen=True)
class Box:
    """A part of the picture in shares of its width and height: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            raise ControlError(
                f"Box({self.left:g}, {self.top:g}, {self.right:g}, {self.bottom:g}): expected "
                "left < right and top < bottom, each from 0 to 1."
            )

    def mask(self, height: int, width: int) -> Tensor:
        """How much of each pixel lies inside: (height, width), from 0 to 1."""
        rows = _overlap(self.top, self.bottom, height)
        return rows[:, None] * _overlap(self.left, self.right, width)


Region = Box | Tensor
"""A box, or a mask (height, width) of any size, bool or from 0 to 1."""


Push = Callable[[Tensor], Tensor]
"""From a word's mask (pixels,) to what its logits are given there: (pixels,)."""


class _Regional(Edit):
    """Words with a region each, whose logits `push` changes, on the conditional rows."""

    def __init__(
        self,
        regions: Mapping[str, Region],
        push: Push,
        window: Window,
        on_nothing: OnNothing,
    ) -> None:
        super().__init__(on_nothing)
        for text, region in regions.items():
            if isinstance(region, Tensor) and not (
                region.ndim == 2 and region.any() and ((region >= 0) & (region <= 1)).all()
            ):
                raise ControlError(
                    f"The region of {text!r} should be a Box or a mask (height, width) from 0 to 1 "
                    f"with something in it; got one shaped {tuple(region.shape)} that is not."
                )
        self.regions = dict(regions)
        self.window = window
        self._push = push
        self._placed: list[tuple[str, dict[int, list[int]]]] = []
        self._biases: dict[tuple[int, int, int, int], Tensor | None] = {}

    def start(self, session: Session) -> None:
        """Find the words; raises `WordNotFoundError` for one that no prompt has."""
        super().start(session)
        prompts = edited_prompts(session, self)
        self._placed = [(text, positions_by_prompt(prompts, text)) for text in self.regions]
        self._biases = {}

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Bias each word's logits."""
        for _, row, prompt in call.step.rows.conditional():
            if (bias := self._bias(prompt, call, attention)) is not None:
                attention.add_bias(row, self.scaled(bias[None], call, attention, row))
                self.touch(call)

    def scaled(self, bias: Tensor, call: LayerCall, attention: Attention, row: int) -> Tensor:
        """A bias of `row` as it is at this call."""
        return bias

    def leave(self) -> None:
        """Let go of what lies on the model's device."""
        self._biases = {}

    def reason(self) -> str:
        """No region, no strength, or no step in the window."""
        return "no word has a region smaller than the picture, or no step lay in its window."

    def _bias(self, prompt: int, call: LayerCall, attention: Attention) -> Tensor | None:
        """The pushes of a prompt's words (pixels, tokens), made once a grid; None for no push."""
        grid = prompt, call.height, call.width, call.tokens
        if grid not in self._biases:
            bias = torch.zeros(attention.pixels, attention.tokens)
            for text, placed in self._placed:
                mask = fit(self.regions[text], call.height, call.width).flatten()
                mask = mask.repeat(call.step.frames)  # the same in each frame of a video
                bias[:, placed.get(prompt, [])] += self._push(mask)[:, None]
            self._biases[grid] = bias.to(attention.query) if bias.any() else None
        return self._biases[grid]


class HoldRegions(_Regional):
    """Hold words to their regions: outside, `strength` is taken from their logits.

    `regions` gives words or phrases of the prompt a `Box` or a mask; `strength` infinite shuts
    them out entirely. Raises `ControlError` for a region with nothing in it.
    """

    def __init__(
        self,
        regions: Mapping[str, Region],
        *,
        strength: float = math.inf,
        window: Window = ALWAYS,
        on_nothing: OnNothing = "raise",
    ) -> None:
        if not strength >= 0:
            raise ControlError(f"HoldRegions(strength={strength:g}): expected 0 or more.")
        super().__init__(regions, self._hold, window, on_nothing)
        self.hold = strength

    def _hold(self, mask: Tensor) -> Tensor:
        return torch.zeros_like(mask).masked_fill(outside(mask), -self.hold)


class PaintRegions(_Regional):
    """Paint with words: inside their regions 0.1 · weight · log(σ + 1) · max(QK) is added.

    σ is the step's noise and max(QK) the row's largest logit, so that early steps feel it most.
    Balaji et al., "eDiff-I" (2022), as the Stable Diffusion port has it.
    """

    def __init__(
        self,
        regions: Mapping[str, Region],
        *,
        weight: float = 1.0,
        window: Window = ALWAYS,
        on_nothing: OnNothing = "raise",
    ) -> None:
        if not math.isfinite(weight):
            raise ControlError(f"PaintRegions(weight={weight:g}): expected a number.")
        super().__init__(regions, lambda mask: 0.1 * weight * mask, window, on_nothing)

    def scaled(self, bias: Tensor, call: LayerCall, attention: Attention, row: int) -> Tensor:
        """Times log(σ + 1) · max(QK), which stays on the model's device."""
        query, key = attention.query[row], attention.key[row]
        most = chunking_on(query.device).formed
        with without_autocast(query):
            largest = [
                (attention.scale * query[heads] @ key[heads].mT).max()
                for heads in heads_at_once(len(query), attention.pixels * attention.tokens, most)
            ]
        of_all = largest[0] if len(largest) == 1 else torch.stack(largest).max()
        return bias * (of_all * math.log1p(min(call.step.sigma, 1e4)))


def outside(mask: Tensor) -> Tensor:
    """Which pixels of a grid are outside a region that has `mask` of each: bool, shaped alike."""
    # A pixel halfway in belongs to both sides, whatever rounding makes of the half.
    shut = mask < 0.5 - 1e-4
    # Too small for this grid: the pixel that has most of it.
    return mask < mask.max() if shut.all() else shut


def fit(region: Region, height: int, width: int) -> Tensor:
    """How much of each pixel of a grid lies in a region: (height, width), from 0 to 1."""
    if isinstance(region, Box):
        return region.mask(height, width)
    return F.interpolate(region[None, None].float().cpu(), size=(height, width), mode="area")[0, 0]


def _overlap(low: float, high: float, count: int) -> Tensor:
    edges = torch.linspace(0, 1, count + 1).clamp(low, high)
    return edges.diff() * count
