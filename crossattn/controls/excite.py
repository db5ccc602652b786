"""Attend-and-Excite: moving the latents until every word has a place."""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.controls.support.composition_grid import map_sites
from crossattn.controls.support.edit import Edit, OnNothing
from crossattn.controls.support.edit_source import edited_prompts
from crossattn.controls.support.token_positions import listed, positions_by_prompt
from crossattn.controls.support.window import Window
from crossattn.errors import ControlError
from crossattn.schedule import begins_step
from crossattn.session import Session, attach
from crossattn.site import Site
from crossattn.step import LayerCall, Step

THRESHOLDS: Mapping[float, float] = {0.0: 0.05, 0.2: 0.5, 0.4: 0.8}


class AttendAndExcite(Edit):
    """Move the latents before each step, by a gradient, so that no word is forgotten.

    Of the maps at the coarse sites, without start, end and padding, each word's largest value
    counts, and the loss is 1 minus the smallest of those. Before each step in `window` the latents
    go `step_size` · sqrt(1 to 0.5 over the run) along its gradient; at the shares of the schedule
    that `thresholds` names, up to `refinements` times more, until each word of the image reaches
    that value. Costs a forward and a backward pass each time. Where the session edits from a first
    prompt, that prompt's images stay as they are.

    Raises `WordNotFoundError` for a word that no prompt has. Chefer et al., "Attend-and-Excite"
    (2023), at 50 steps: the first 25, thresholds at 0, 10 and 20.
    """

    def __init__(
        self,
        words: str | Sequence[str],
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
        if refinements < 0:
            raise ControlError(f"AttendAndExcite(refinements={refinements}): expected 0 or more.")
        self.words = listed(words)
        self.window = window
        self.step_size = step_size
        self.thresholds = {Window(share): value for share, value in thresholds.items()}
        self.refinements = refinements
        self._session: Session | None = None
        self._placed: list[dict[int, list[int]]] = []

    def wants(self, site: Site) -> bool:
        """No site: it runs the model itself, outside the normal forward pass."""
        return False

    def start(self, session: Session) -> None:
        super().start(session)
        prompts = edited_prompts(session, self)
        self._placed = [positions_by_prompt(prompts, text) for text in self.words]
        self._session = session

    def shift(self, step: Step) -> Tensor | None:
        """What moves the latents before this step."""
        session = self._session
        assert session is not None
        # Halfway through a step of second order the scheduler keeps to where the step began.
        if (
            not begins_step(session.latents.scheduler)
            or not self.window.contains(step)
            or not self.step_size
        ):
            return None
        size = self.step_size * math.sqrt(1 - 0.5 * step.index / max(1, step.total - 1))
        wanted = max(self._wanted(step), default=None)
        if len(step.rows.positive) != step.rows.images:
            raise ControlError(
                "AttendAndExcite moves the latents before the model sees them, but the negative "
                "prompt is run first, in a call of its own; run both in one batch."
            )
        by = torch.zeros_like(session.latents.of_images(step))
        going = torch.ones(len(by), 1, 1, 1, dtype=torch.bool, device=by.device)
        for _ in range(1 if wanted is None else 1 + self.refinements):
            gradient, losses = self._gradient(session, step, by)
            by = torch.where(going, by - size * gradient, by)
            if wanted is None:
                break
            # An image that reached its threshold takes this last step.
            going = going & (losses > 1 - wanted).view_as(going)
            if not going.any():
                break
        self.touched |= {(site.name, step.index) for site in map_sites(session.sites, step)}
        return by

    def leave(self) -> None:
        """Let go of the model."""
        self._session = None

    def _wanted(self, step: Step) -> list[float]:
        """The values that words should reach at this step."""
        return [
            value
            for since, value in self.thresholds.items()
            if since.steps(step.total).start == step.index
        ]

    def _gradient(self, session: Session, step: Step, by: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient, shaped as `by`, and the loss of each image (images,), moved by `by`."""
        looked = _Look(map_sites(session.sites, step))
        with session.without_controls() as run, attach(session.called, looked, guided=False):
            moved = by.detach().requires_grad_()
            run(moved)
            losses = torch.stack(
                [
                    self._loss(maps / len(looked.sites), session, step, image)
                    for image, maps in looked.maps.items()
                ]
            )
            (gradient,) = torch.autograd.grad(losses.sum(), moved)
        return gradient, losses.detach()

    def _loss(self, maps: Tensor, session: Session, step: Step, image: int) -> Tensor:
        prompt = step.rows.prompt[image]
        encodings = session.prompts[prompt].encodings
        body = sorted({token for each in encodings for token in each.body})
        shares = (100 * maps[:, body]).softmax(-1)  # -> (pixels, tokens of the prompt)
        height, width = next(iter(map_sites(session.sites, step))).grid(step.height, step.width)
        worst = shares.new_zeros(())
        for placed in self._placed:
            if tokens := [body.index(t) for t in placed.get(prompt, []) if t in body]:
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

    def attend(self, call: LayerCall, attention: Attention) -> None:
        for image, row, _ in call.step.rows.conditional():
            probs = attention.probabilities(row).mean(0)
            self.maps[image] = self.maps[image] + probs if image in self.maps else probs


def _smooth(maps: Tensor) -> Tensor:
    """3 × 3 Gaussian, σ 0.5, over maps (1, 1, height, width)."""
    side = torch.exp(-maps.new_tensor([1.0, 0.0, 1.0]) / (2 * 0.5**2))
    kernel = torch.outer(side, side)
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), (kernel / kernel.sum())[None, None])
