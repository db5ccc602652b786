"""What an edit did: where it acted, whose attention moved, which pixels changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.controls import Alignment, Edit, LocalBlend
from crossattn.coverage import coverage
from crossattn.trace import Trace

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.pipelines.result import Result

VISIBLE = 8
"""A pixel has changed if any of its channels has by more than this, of 255."""


@dataclass(frozen=True)
class Touched:
    """A control, and in how many layers and steps it acted."""

    control: str
    layers: int
    steps: int


@dataclass(frozen=True)
class Moved:
    """A word of the target, and what became of the attention it took over.

    `source` are the source's words that it is linked to (none if it is new), `covered` is how much
    of the source they cover together and `covers` the word of the edit, each 0 to 1. `moved`, from
    0 to 1, is how much of its map lies elsewhere than theirs; None for a new word.
    """

    text: str
    occurrence: int
    source: tuple[str, ...]
    covered: float | None
    covers: float
    moved: float | None


@dataclass(frozen=True)
class EditReport:
    """What an edit did.

    `unmatched` are new words, `dropped` those of the source that are gone. `mask` is the blend's,
    bool (height, width) of the picture, None without one; `changed` is the share of all pixels
    that changed visibly, `inside` and `outside` that of the mask's and of the others (None where
    there are none).
    """

    mode: str
    touched: tuple[Touched, ...]
    words: tuple[Moved, ...]
    unmatched: tuple[str, ...]
    dropped: tuple[str, ...]
    mask: Tensor | None
    changed: float
    inside: float | None
    outside: float | None


def report(
    result: "Result", source: "Result", alignment: Alignment, controls: Sequence[Edit]
) -> EditReport:
    """Compare an edited picture and its trace with those of its source."""
    apart = _changed(source.image, result.image)
    mask = None
    for control in controls:
        if isinstance(control, LocalBlend):
            small = control.masks[0][None, None].float()
            mask = F.interpolate(small, size=apart.shape, mode="nearest")[0, 0].bool()
    within = None if mask is None else mask.numpy()
    return EditReport(
        mode=alignment.mode,
        touched=tuple(
            Touched(
                type(control).__name__,
                len({site for site, _ in control.touched}),
                len({step for _, step in control.touched}),
            )
            for control in controls
        ),
        words=tuple(_moves(alignment, result.trace, source.trace)),
        unmatched=tuple(unit.text for unit in alignment.unmatched),
        dropped=tuple(unit.text for unit in alignment.dropped),
        mask=mask,
        changed=float(apart.mean()),
        inside=_share(apart, within),
        outside=_share(apart, None if within is None else ~within),
    )


def _moves(alignment: Alignment, after: Trace, before: Trace) -> Iterator[Moved]:
    units = {unit.word: unit for unit in alignment.unmatched}
    units |= {unit.word: unit for link in alignment.links for unit in link.target}
    for position, word in enumerate(after.prompt.words):
        if position not in units or not word.tokens[0]:
            continue
        now = after.word(word.text, word.occurrence)
        linked = [unit for unit, _ in alignment.weights(units[position]) if unit.word is not None]
        words = [before.prompt.words[unit.word] for unit in linked if unit.word is not None]
        heats = [before.word(each.text, each.occurrence) for each in words]
        covered = moved = None
        if heats:
            then = sum((heat.data for heat in heats[1:]), heats[0].data)
            covered = coverage(replace(heats[0], data=then))
            moved = float((then / then.sum() - now.data / now.data.sum()).abs().sum() / 2)
        texts = tuple(each.text for each in words)
        yield Moved(word.text, word.occurrence, texts, covered, coverage(now), moved)


def _changed(before: "Image.Image", after: "Image.Image") -> np.ndarray:
    first, second = (np.asarray(one.convert("RGB"), dtype=np.int16) for one in (before, after))
    return np.asarray(np.abs(first - second).max(-1) > VISIBLE)


def _share(apart: np.ndarray, where: np.ndarray | None) -> float | None:
    return None if where is None or not where.any() else float(apart[where].mean())
