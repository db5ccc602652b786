"""Where an edit takes its source from: the first prompt of the batch, or a run made earlier."""

import warnings
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from crossattn.attention import Attention, Probabilities, Source
from crossattn.control import Call, Control, Step
from crossattn.controls.edit import Edit, OnNothing
from crossattn.errors import ControlError
from crossattn.rows import Rows
from crossattn.session import Session
from crossattn.words import Prompt


@dataclass(frozen=True)
class Pair:
    """A target image of the batch: its conditional row, its prompt, its source image's number."""

    image: int
    row: int
    prompt: int
    source: int


class Origin(Protocol):
    """What an edit asks of its source, wherever that is."""

    def prompt(self, session: Session) -> Prompt:
        """The source prompt."""

    def pairs(self, rows: Rows) -> tuple[Pair, ...]:
        """The target images of a batch, each with its source."""

    def cross_attention(self, call: Call, attention: Attention, image: int) -> Probabilities:
        """What the source image attends with at this call of a cross-attention site."""

    def self_attention(self, call: Call, attention: Attention, image: int) -> Source:
        """What the source image attends with at this call of a self-attention site."""

    def looks(
        self, call: Call, attention: Attention, image: int, negative: bool
    ) -> tuple[Tensor, Tensor]:
        """The source image's keys and values (heads, pixels, width) at a self-attention site.

        Those of its conditional row, or of its `negative` one.
        """

    def latents(self, step: Step, latents: Tensor, image: int) -> Tensor:
        """The source's latents (channels, height, width) after `step`; `latents` is the batch's."""

    def map(self, step: Step) -> Tensor | None:
        """The source's map of this call (pixels, tokens) where it was kept, as `LocalBlend` has it.

        None where the source is in the batch and is seen there.
        """


class FirstPrompt:
    """The source is the first prompt of the same batch; the k-th images of prompts are paired."""

    def prompt(self, session: Session) -> Prompt:
        """The first prompt; raises `ControlError` if `attach` was given no second one."""
        if len(session.prompts) < 2:
            raise ControlError(
                "An edit needs its source and its target: attach(..., prompt=[source, target]) "
                "as the pipeline is given them, or an edit with source=SourceRun."
            )
        return session.prompts[0]

    def pairs(self, rows: Rows) -> tuple[Pair, ...]:
        """Every image of the second prompt and those after it."""
        each = rows.prompt.count(0)
        return tuple(
            Pair(image, rows.positive[image], prompt, image % each)
            for image, prompt in enumerate(rows.prompt)
            if prompt > 0
        )

    def cross_attention(self, call: Call, attention: Attention, image: int) -> Probabilities:
        """The source's row of this call, as the controls before have left it."""
        return attention.attended(call.step.rows.positive[image])

    def self_attention(self, call: Call, attention: Attention, image: int) -> Source:
        """The source's row of this call."""
        return attention.source(call.step.rows.positive[image])

    def looks(
        self, call: Call, attention: Attention, image: int, negative: bool
    ) -> tuple[Tensor, Tensor]:
        """Those of the source's row."""
        rows = call.step.rows
        row = (rows.negative if negative else rows.positive)[image]
        return attention.key[row], attention.value[row]

    def latents(self, step: Step, latents: Tensor, image: int) -> Tensor:
        """The source's latents of the batch."""
        return latents[image]

    def map(self, step: Step) -> None:
        """Nothing: the source is in the batch."""


class OtherNoiseWarning(UserWarning):
    """A target gets other noise than its source, so that nothing of it would stay."""


class FromSource(Edit):
    """An edit that makes its target images follow a source.

    Without `source` that is the first prompt of the batch, whose images should start from the same
    noise as the targets', and be given the same by schedulers that add some (it warns if not);
    with a `SourceRun` every image of the batch is a target of it.
    """

    def __init__(self, source: Origin | None = None, on_nothing: OnNothing = "raise") -> None:
        super().__init__(on_nothing)
        self.origin: Origin = FirstPrompt() if source is None else source
        self._session: Session | None = None

    def start(self, session: Session) -> None:
        """Forget the run before."""
        super().start(session)
        self._session = session

    def before_step(self, step: Step) -> None:
        """Warn if a target starts from other noise, or was given other noise by the first step."""
        session = self._session
        if session is None or not isinstance(self.origin, FirstPrompt):
            return
        behind = step.call - session.begun
        pairs = self.origin.pairs(step.rows)
        if behind == 0 and any(
            not torch.equal(session.given[pair.row], session.given[step.rows.positive[pair.source]])
            for pair in pairs
        ):
            _warn("start from different noise", "latents=noise.repeat(2, 1, 1, 1)")
        if behind == 1 and session.drew:
            _warn(
                f"are given different noise by {type(session.scheduler).__name__}",
                "a list of generators, one for each image, with the same seed",
            )

    def leave(self) -> None:
        """Let go of the model."""
        self._session = None

    def targets(self, session: Session) -> dict[int, Prompt]:
        """The target prompts, by their number among the session's prompts.

        Raises `ControlError` if there are none.
        """
        first = 1 if isinstance(self.origin, FirstPrompt) else 0
        self.origin.prompt(session)
        found = dict(enumerate(session.prompts[first:], first))
        if not found:
            raise ControlError("An edit needs its target prompt: attach(..., prompt=target).")
        return found


def edited_prompts(session: Session, control: Control) -> dict[int, Prompt]:
    """The prompts whose images `control` changes, by number: all but the source of other edits.

    Raises `ControlError` if there are none.
    """
    spared = any(
        isinstance(other, FromSource) and isinstance(other.origin, FirstPrompt)
        for other in session.controls
    )
    prompts = dict(list(enumerate(session.prompts))[int(spared) :])
    if not prompts:
        raise ControlError(
            f"{type(control).__name__} needs the prompt: attach(..., prompt=prompt)."
        )
    return prompts


def _warn(what: str, remedy: str) -> None:
    warnings.warn(
        f"Source and target {what}, so the rest of the picture will not stay; give the pipeline "
        f"{remedy}.",
        OtherNoiseWarning,
        stacklevel=3,
    )
