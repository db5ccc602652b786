"""Each edit equals its formula, written out over explicit softmax in a loop of its own."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from tiny_pictures import SOURCE, TARGET, run
from torch import Tensor
from written_out import WrittenOut, is_cross, softmax

from crossattn.controls import (
    AttendAndExcite,
    Box,
    LocalBlend,
    MutualSelfAttention,
    PaintRegions,
    ShareSelfAttention,
    Window,
)

PAIR = [SOURCE, TARGET]
CAR, BALLOON, GRASS = [3], [3, 4, 5], [5]
"""Tokens of SOURCE, of TARGET, and of SOURCE again."""

EDITED, KEPT = 3, 2
"""Rows of the target and of the source; their negative ones are two before."""


def check(control: Any, written: WrittenOut, pipe: Any, prompts: Any = PAIR) -> Tensor:
    """An edited run is the written one, and not the plain one; returns its latents."""
    size = 8 * written.side
    settings = {"steps": written.steps, "height": size, "width": size}
    edited = run(pipe, prompts, control, **settings)
    torch.testing.assert_close(edited, written.latents(), atol=1e-5, rtol=1e-5)
    assert (edited - run(pipe, prompts, **settings)).abs().max() > 1e-2
    return edited


class Painted(WrittenOut):
    """0.1 · weight · log(σ + 1) · max(QK) is added inside the left half."""

    def attend(self, layer: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        bias = query.new_zeros(len(query), 1, query.shape[2], key.shape[2])
        if is_cross(key):
            side = math.isqrt(query.shape[2])
            left = (torch.arange(side) < side // 2).repeat(side).nonzero()
            largest = (query[1] @ key[1].mT / query.shape[-1] ** 0.5).max()
            bias[1, :, left, CAR] = 0.1 * 3.0 * math.log(self.sigma + 1) * largest
        return softmax(query, key, bias) @ value


def test_painting_adds_its_share_of_the_largest_logit_where_it_paints(sharp_pipe: Any) -> None:
    paint = PaintRegions({"car": Box(0, 0, 0.5, 1)}, weight=3.0)
    check(paint, Painted(sharp_pipe, SOURCE, 3), sharp_pipe, SOURCE)


class Blended(WrittenOut):
    """Where pooled sums of the words' maps so far are low, the source's latents come back."""

    threshold, protect_threshold = 0.7, 0.9

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sums = [torch.zeros(()), torch.zeros(())]
        self.mask = torch.zeros(())

    def attend(self, layer: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        probs = softmax(query, key)
        # The finest grid of at most 16 × 16.
        finest = self.side if self.side <= 16 else self.side // 2
        if is_cross(key) and query.shape[2] == finest**2:
            for image, row in enumerate((KEPT, EDITED)):
                self.sums[image] = self.sums[image] + probs[row].mean(0)
        return probs @ value

    def where(self, image: int, tokens: list[int]) -> Tensor:
        words = self.sums[image][:, tokens].sum(-1)
        return words.unflatten(0, (math.isqrt(len(words)), -1))

    def spread(self, mask: Tensor) -> Tensor:
        times = self.side // len(mask)
        return mask.repeat_interleave(times, 0).repeat_interleave(times, 1)

    def changed(self, image: int, tokens: list[int]) -> Tensor:
        words = F.pad(self.where(image, tokens), (1, 1, 1, 1), value=-math.inf)
        pooled = words.unfold(0, 3, 1).unfold(1, 3, 1).amax((-1, -2))
        return self.spread(pooled > self.threshold * pooled.max())

    def after(self, latents: Tensor) -> Tensor:
        if self.step < 1:
            return latents
        source = self.where(0, GRASS)
        protected = self.spread(source > self.protect_threshold * source.max())
        target = self.where(1, [7])
        protected |= self.spread(target > self.protect_threshold * target.max())
        self.mask = (self.changed(0, CAR) | self.changed(1, BALLOON)) & ~protected
        return torch.stack([latents[0], latents[1].where(self.mask, latents[0])])


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 160])
def test_blending_keeps_the_source_where_the_words_maps_so_far_are_low(
    sharp_pipe: Any, size: int
) -> None:
    blend = LocalBlend(
        ["car", "balloon"],
        protect="grass",
        threshold=Blended.threshold,
        protect_threshold=Blended.protect_threshold,
        window=Window(0.25, 1),
    )
    written = Blended(sharp_pipe, PAIR, 4, size)
    check(blend, written, sharp_pipe)
    assert torch.equal(blend.masks[1], written.mask)
    assert 0.1 < written.mask.double().mean() < 0.9


class Excited(WrittenOut):
    """Before each step the latents go down the gradient of 1 - the word's largest share."""

    step_size, refinements, wanted = 8.0, 2, 0.9

    def attend(self, layer: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        probs = softmax(query, key)
        if is_cross(key) and query.shape[2] == self.side**2:
            self.maps.append(probs[-1].mean(0))
        return probs @ value

    def before(self, latents: Tensor) -> Tensor:
        if self.step == 3:
            return latents
        decay = math.sqrt(1 - 0.5 * self.step / (self.steps - 1))
        times = 1 + self.refinements if self.step == 1 else 1
        for _ in range(times):
            with torch.enable_grad():
                moved = latents.detach().requires_grad_()
                loss = self.loss(moved)
                (gradient,) = torch.autograd.grad(loss, moved)
            latents = latents - self.step_size * decay * gradient
            if 1 - loss >= self.wanted:
                break
        return latents

    def loss(self, latents: Tensor) -> Tensor:
        self.maps: list[Tensor] = []
        timestep = self.scheduler.timesteps[self.step]
        self.unet(latents, timestep, encoder_hidden_states=self.text[-1:])
        maps = torch.stack(self.maps).mean(0)[:, 1:6]  # the words, without start and end
        words = (100 * maps).softmax(-1)
        excited = [words[:, [token - 1]].sum(-1).view(self.side, self.side) for token in (3, 5)]
        return torch.stack([1 - smoothed(word).max() for word in excited]).max()


def smoothed(word: Tensor) -> Tensor:
    """A Gaussian of σ 0.5 over 3 × 3 pixels, the edges reflected."""
    padded = F.pad(word[None], (1, 1, 1, 1), mode="reflect")[0]
    side = torch.tensor([-1.0, 0.0, 1.0], dtype=word.dtype)
    kernel = (-(side[:, None] ** 2 + side**2) / (2 * 0.5**2)).exp()
    return (padded.unfold(0, 3, 1).unfold(1, 3, 1) * kernel / kernel.sum()).sum((-1, -2))


def test_exciting_goes_down_the_gradient_less_far_at_each_step(sharp_pipe: Any) -> None:
    excite = AttendAndExcite(
        ["car", "grass"],
        window=Window(0, 0.75),
        step_size=Excited.step_size,
        thresholds={0.25: Excited.wanted},
        refinements=Excited.refinements,
    )
    check(excite, Excited(sharp_pipe, SOURCE, 4), sharp_pipe, SOURCE)


class Mutual(WrittenOut):
    """The decoder's finer self-attention takes the source's keys and values, on both sides."""

    def attend(self, layer: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if not is_cross(key) and layer.startswith("up_blocks.1") and self.step >= 1:
            key, value = key.clone(), value.clone()
            for row in (EDITED, EDITED - 2):
                key[row], value[row] = key[row - 1], value[row - 1]
        return softmax(query, key) @ value


def test_mutual_self_attention_looks_at_the_source_with_the_targets_queries(
    sharp_pipe: Any,
) -> None:
    written = Mutual(sharp_pipe, PAIR, 4)
    check(MutualSelfAttention(Window(0.25, 1)), written, sharp_pipe)


class Shared(WrittenOut):
    """Coarse self-attention takes the source's queries and keys, on the conditional side."""

    def attend(self, layer: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        probs = softmax(query, key)
        if not is_cross(key) and query.shape[2] <= 16 * 16 and self.step < 2:
            probs[EDITED] = probs[KEPT]
        return probs @ value


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 160])
def test_sharing_injects_the_sources_map_of_pixels(sharp_pipe: Any, size: int) -> None:
    written = Shared(sharp_pipe, PAIR, 4, size)
    check(ShareSelfAttention(Window(0, 0.5)), written, sharp_pipe)
