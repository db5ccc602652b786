"""Where an edit takes its source from: the first prompt of the batch, or a run made earlier."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.controls.support.edit import Edit, OnNothing
from crossattn.errors import ControlError
from crossattn.rows import Rows
from crossattn.session import Session
from crossattn.softmax import AttentionMap
from crossattn.step import LayerCall, Step
from crossattn.words import Prompt


@dataclass(frozen=True)
class Pair:
    """A target image: its number, its prompt's, and its source image's."""

    image: int
    prompt: int
    source: int


class EditSource(Protocol):
    """What an edit asks of its source, wherever that is."""

    def prompt(self, session: Session) -> Prompt:
        """The source prompt."""

    def pairs(self, rows: Rows) -> tuple[Pair, ...]:
        """The target images of a run, each with its source."""

    def cross_attention(self, call: LayerCall, attention: Attention, image: int) -> AttentionMap:
        """What the source image attends with at this call of a cross-attention site."""

    def self_attention(
        self, call: LayerCall, attention: Attention, image: int
    ) -> tuple[Tensor, Tensor]:
        """The source image's queries and keys (heads, pixels, width) at a self-attention site."""

    def keys_values(
        self, call: LayerCall, attention: Attention, image: int, negative: bool
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

    def whole_map(self) -> Tensor | None:
        """The mean of these maps over the source's whole run, or None as `map`."""


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
            Pair(image, prompt, image % each)
            for image, prompt in enumerate(rows.prompt)
            if prompt > 0
        )

    def cross_attention(self, call: LayerCall, attention: Attention, image: int) -> AttentionMap:
        """The source's row of this call, as the controls before have left it."""
        return attention.map_of(_row(call.step.rows.of_images(), image))

    def self_attention(
        self, call: LayerCall, attention: Attention, image: int
    ) -> tuple[Tensor, Tensor]:
        """Those of the source's row of this call."""
        row = _row(call.step.rows.of_images(), image)
        return attention.query[row], attention.key[row]

    def keys_values(
        self, call: LayerCall, attention: Attention, image: int, negative: bool
    ) -> tuple[Tensor, Tensor]:
        """Those of the source's row."""
        rows = call.step.rows
        row = _row(rows.of_images("negative" if negative else "positive"), image)
        return attention.key[row], attention.value[row]

    def latents(self, step: Step, latents: Tensor, image: int) -> Tensor:
        """The source's latents of the batch."""
        return latents[image]

    def map(self, step: Step) -> None:
        """Nothing: the source is in the batch."""

    def whole_map(self) -> None:
        """Nothing yet: the source runs beside its targets."""


class OtherNoiseWarning(UserWarning):
    """A target gets other noise than its source, so that nothing of it would stay."""


class FromSource(Edit):
    """An edit that makes its target images follow a source.

    Without `source` that is the first prompt of the batch, whose images should start from the same
    noise as the targets', and be given the same by schedulers that add some (it warns if not);
    with a `SourceRun` every image of the batch is a target of it.
    """

    def __init__(self, source: EditSource | None = None, on_nothing: OnNothing = "raise") -> None:
        super().__init__(on_nothing)
        self.origin: EditSource = FirstPrompt() if source is None else source
        self._session: Session | None = None
        self._apart: list[Tensor] = []

    def start(self, session: Session) -> None:
        super().start(session)
        self._session, self._apart = session, []

    def before_step(self, step: Step) -> None:
        """Compare the noise of targets and sources; warn if the first step gave them other noise.

        What was compared is told on leaving: asking for it here would wait for the device.
        """
        session = self._session
        if session is None or not isinstance(self.origin, FirstPrompt):
            return
        behind, rows = step.evaluation - step.begun, step.rows.of_images()
        given = session.latents.given
        if behind == 0:
            pairs = [pair for pair in self.origin.pairs(step.rows) if pair.image in rows]
            self._apart += [
                (given[rows[pair.image]] != given[_row(rows, pair.source)]).any() for pair in pairs
            ]
        if behind == 1 and rows and session.latents.shared_noise:
            _warn(
                f"are given different noise by {type(session.latents.scheduler).__name__}",
                "a list of generators, one for each image, with the same seed",
            )

    def finish(self) -> None:
        """Warn if a target started from other noise; raise, or warn, if nothing was touched."""
        if any(bool(each) for each in self._apart if not each.is_meta):
            _warn("start from different noise", "latents=noise.repeat(2, 1, 1, 1)")
        super().finish()

    def leave(self) -> None:
        """Let go of the model."""
        self._session = None
        self._apart = []

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


def _row(side: Mapping[int, int], image: int) -> int:
    """The source image's row in a call that holds its target's; raises `ControlError` if absent."""
    if image not in side:
        raise ControlError(
            "The source is not in the same call of the model as its target, so its attention is "
            "not at hand; keep the source's run with SourceRecorder and give it as source=."
        )
    return side[image]


def _warn(what: str, remedy: str) -> None:
    warnings.warn(
        f"Source and target {what}, so the rest of the picture will not stay; give the pipeline "
        f"{remedy}.",
        OtherNoiseWarning,
        stacklevel=3,
    )
