"""Attend-and-Excite: moving the latents until every word has a place."""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Call, Control, Step
from crossattn.controls.coarse import map_sites
from crossattn.controls.edit import Edit, OnNothing
from crossattn.controls.places import places_by_prompt
from crossattn.controls.window import Window
from crossattn.errors import ControlError
from crossattn.session import Session, attach
from crossattn.site import Site

THRESHOLDS: Mapping[float, float] = {0.0: 0.05, 0.2: 0.5, 0.4: 0.8}


class AttendAndExcite(Edit):
    """Move the latents between steps, by a gradient, so that no word is forgotten.

    Of the maps at the coarse sites, without start, end and padding, each word's largest value
    counts, and the loss is 1 minus the smallest of those. Between two steps in `window` the
    latents go `step_size` · sqrt(1 to 0.5 over the run) along its gradient; at the shares of the
    schedule that `thresholds` names, up to `refinements` times, until each word reaches its
    value. The first step's noise is left as it is. Costs a forward and a backward pass each time.

    Raises `WordNotFoundError` for a word that no prompt has, `ControlError` for a scheduler that
    calls the model twice a step. Chefer et al., "Attend-and-Excite" (2023), at 50 steps: the
    first 25, thresholds at 0, 10 and 20.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        window: Window = Window(0.0, 0.5),  # noqa: B008
        step_size: float = 20.0,
        thresholds: Mapping[float, float] = THRESHOLDS,
        refinements: int = 20,
        on_nothing: OnNothing = "raise",
    ) -> None:
        super().__init__(on_nothing)
        if not words:
            raise ControlError("AttendAndExcite needs a word to excite.")
        if not math.isfinite(step_size):
            raise ControlError(f"AttendAndExcite(step_size={step_size:g}): expected a number.")
        self.words = tuple(words)
        self.window = window
        self.step_size = step_size
        self.thresholds = dict(thresholds)
        self.refinements = refinements
        self._session: Session | None = None
        self._placed: list[dict[int, list[int]]] = []

    def wants(self, site: Site) -> bool:
        """None: it looks on the side."""
        return False

    def start(self, session: Session) -> None:
        """Find the words."""
        super().start(session)
        prompts = dict(enumerate(session.prompts))
        if not prompts:
            raise ControlError("AttendAndExcite needs the prompt: attach(..., prompt=prompt).")
        self._placed = [places_by_prompt(prompts, text) for text in self.words]
        self._session = session

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        """Move the latents before the next step."""
        session = self._session
        assert session is not None
        calls = session.calls
        if len(set(calls)) != len(calls):
            raise ControlError(
                "AttendAndExcite needs a scheduler that calls the model once a step, not "
                f"{type(session.pipe.scheduler).__name__}; take DDIM, for one."
            )
        if step.call + 1 == len(calls) or not self.window.holds(step):
            return latents
        size = self.step_size * math.sqrt(1 - 0.5 * step.share)
        wanted = [
            value
            for share, value in self.thresholds.items()
            if math.floor(share * step.total + 1e-9) == step.index
        ]
        moved = latents
        for _ in range(self.refinements if wanted else 1):
            moved, loss = self._move(session, step, moved, calls[step.call + 1], size)
            if not wanted or loss <= 1 - max(wanted):
                break
        self.touched |= {(site.name, step.index) for site in map_sites(session.sites, step)}
        return moved

    def leave(self) -> None:
        """Let go of the model."""
        self._session = None

    def _move(
        self, session: Session, step: Step, latents: Tensor, timestep: float, size: float
    ) -> tuple[Tensor, float]:
        """One step along the gradient, and the largest loss of an image before it."""
        looked = _Look(map_sites(session.sites, step))
        with session.aside() as run, attach(session.denoiser, looked, guided=False):
            start = latents.detach().requires_grad_()
            run(start, timestep)
            losses = [
                self._loss(maps / len(looked.sites), session, step, image)
                for image, maps in looked.maps.items()
            ]
            (gradient,) = torch.autograd.grad(torch.stack(losses).sum(), start)
        return latents - size * gradient, float(torch.stack(losses).max())

    def _loss(self, maps: Tensor, session: Session, step: Step, image: int) -> Tensor:
        prompt = step.rows.prompt[image]
        length = len(session.prompts[prompt].encodings[0].tokens)
        shares = (100 * maps[:, 1 : length - 1]).softmax(-1)  # -> (pixels, tokens of the prompt)
        height, width = next(iter(map_sites(session.sites, step))).grid(step.height, step.width)
        worst = shares.new_zeros(())
        for placed in self._placed:
            if tokens := [token - 1 for token in placed.get(prompt, []) if token < length - 1]:
                word = shares[:, tokens].sum(-1).view(1, 1, height, width)
                worst = torch.maximum(worst, 1 - _smooth(word).max())
        return worst


class _Look(Control):
    """Sums each image's maps over heads (as a mean) and the given sites, gradients included."""

    def __init__(self, sites: frozenset[Site]) -> None:
        self.sites = sites
        self.maps: dict[int, Tensor] = {}

    def wants(self, site: Site) -> bool:
        return site in self.sites

    def attend(self, call: Call, attention: Attention) -> None:
        for image, row in enumerate(call.step.rows.positive):
            probs = attention.probabilities(row).mean(0)
            self.maps[image] = self.maps[image] + probs if image in self.maps else probs


def _smooth(maps: Tensor) -> Tensor:
    """3 × 3 Gaussian, σ 0.5, over maps (1, 1, height, width)."""
    side = torch.exp(-torch.tensor([1.0, 0.0, 1.0], device=maps.device) / (2 * 0.5**2))
    kernel = torch.outer(side, side)
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), (kernel / kernel.sum())[None, None])
