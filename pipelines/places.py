"""Where in a picture an edit of its caption belongs: the maps of the nouns that change."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.controls.blend import THRESHOLDS
from crossattn.controls.support.nouns import NOTHING, changed_nouns
from crossattn.trace import Trace
from crossattn.words import Prompt, Word


@dataclass(frozen=True)
class Place:
    """Where an edit belongs: `mask` bool (height, width), or everywhere (None); `words` of the
    target that are to be found while it is made, since the picture does not have them yet; and
    whether it is all `around` the things that stay."""

    mask: Tensor | None
    words: tuple[str, ...]
    around: bool = False


def place_of_edit(
    trace: Trace, source: Prompt, target: Prompt, words: Sequence[str] | None = ()
) -> Place:
    """Where the change from one caption to another belongs, by the maps of a picture's words.

    A noun that changes, or that changed words are said of, is where its map is (grown by one place
    of the grid); where a place changes it is all but the things that stay
    (`crossattn.controls.support.nouns` has the rule). A thing that is only added is to be found in
    what is drawn. `words` of either caption say the place instead, None that it is everywhere.
    Captions that say the same change nothing.
    """
    mask = torch.zeros_like(trace.words[0].data, dtype=torch.bool)
    nouns = changed_nouns(source, target)
    if nouns == NOTHING:
        return Place(mask, ())
    if words is None:
        return Place(None, ())
    if words:
        for word in (word for text in words if text in source for word in source.named(text)):
            mask |= _grown(_where(trace, word))
        return Place(mask, tuple(text for text in words if text not in source))
    for number in nouns.source:
        mask |= _grown(_where(trace, source.words[number]))
    if nouns.things is not None:
        kept = torch.zeros_like(mask)
        for number in nouns.things:
            kept |= _where(trace, source.words[number])
        mask |= ~kept
    if mask.any():
        return Place(mask, (), around=nouns.things is not None)
    return Place(mask, tuple(target.name_of(target.words[number]) for number in nouns.target))


def _where(trace: Trace, word: Word) -> Tensor:
    if not any(word.tokens):
        return torch.zeros_like(trace.words[0].data, dtype=torch.bool)
    return trace.word(word.text, word.occurrence).mask(THRESHOLDS["nouns"])


def _grown(mask: Tensor) -> Tensor:
    return F.max_pool2d(mask[None, None].float(), 3, stride=1, padding=1)[0, 0].bool()
