"""Which words of a target prompt take their attention from which words of the source prompt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.word_spans import same_word
from crossattn.words import Encoding, Prompt

Mode = Literal["replace", "refine"]


@dataclass(frozen=True)
class Unit:
    """What is aligned as one: a word's tokens, or one token that belongs to no word."""

    text: str
    tokens: tuple[int, ...]
    word: int | None

    @property
    def key(self) -> str:
        """What two units must share to be the same."""
        return self.text if self.word is None else same_word(self.text)


@dataclass(frozen=True)
class Link:
    """Target units that take their attention from source units, all together."""

    target: tuple[Unit, ...]
    source: tuple[Unit, ...]


@dataclass(frozen=True)
class Alignment:
    """How a target prompt's tokens are to be attended to.

    `links` are in the target's order; `unmatched` are the target's words that keep their own
    attention, `dropped` the source's words whose attention nobody takes. `ends` are where the two
    prompts end in the sequence, `room` where the encoder's part of it does (None: with it). Where
    encoders stand one behind another, `behind` aligns what the further ones read.
    """

    mode: Mode
    links: tuple[Link, ...]
    unmatched: tuple[Unit, ...]
    dropped: tuple[Unit, ...]
    ends: tuple[int, int]
    room: int | None = None
    behind: "tuple[Alignment, ...]" = ()

    def matrix(self, tokens: int) -> Tensor:
        """The share of each source token's attention that goes to each target token.

        Shaped (source tokens, target tokens), float32. Padding is matched place by place behind
        the longer of the two prompts.
        """
        matrix = torch.zeros(tokens, tokens)
        for link in self.links:
            source = [token for unit in link.source for token in unit.tokens]
            target = [token for unit in link.target for token in unit.tokens]
            if len(source) == len(target):
                matrix[source, target] = 1
            else:
                matrix[torch.tensor(source)[:, None], torch.tensor(target)] = 1 / len(target)
        padding = torch.arange(max(self.ends), tokens if self.room is None else self.room)
        matrix[padding, padding] = 1
        for further in self.behind:
            matrix += further.matrix(tokens)
        return matrix

    def own(self, tokens: int) -> Tensor:
        """How much of its own attention each target token keeps: (tokens,), 0 or 1."""
        return (self.matrix(tokens).sum(0) == 0).float()

    def weights(self, target: Unit) -> tuple[tuple[Unit, float], ...]:
        """The source units that a target unit takes from, and the share of each that it takes."""
        matrix = replace(self, behind=()).matrix(max(self.ends))
        sources = [unit for link in self.links if target in link.target for unit in link.source]
        shares = [
            float(matrix[list(u.tokens)][:, list(target.tokens)].sum(1).mean()) for u in sources
        ]
        return tuple((unit, share) for unit, share in zip(sources, shares, strict=True) if share)

    def pairs(self) -> tuple[tuple[Unit, tuple[tuple[Unit, float], ...]], ...]:
        """Each word of the target, in order, with the source's words that it takes from.

        As `weights` has them; none for a word that keeps its own attention.
        """
        units = [unit for link in self.links for unit in link.target if unit.word is not None]
        ordered = sorted([*units, *self.unmatched], key=lambda unit: unit.tokens)
        return tuple((unit, self.weights(unit)) for unit in ordered)


def align(source: Prompt, target: Prompt, mode: Mode) -> Alignment:
    """Align two prompts by their words (Needleman and Wunsch: match 1, mismatch -1, gap 0).

    Words that both have take the source's attention. Of the words between them, "refine" leaves
    the target's own attention, and "replace" hands them that of the source's words in the same
    gap: word by word where their number is equal, else shared out evenly over the tokens, so that
    words behind a swap stay aligned whatever the number of its tokens. Raises `ControlError` if
    the prompts were read without a tokenizer or, for "replace", have the same words.
    """
    first, *further = _stretches(source, target)
    aligned = _align(first, source, target, mode)
    if mode == "replace" and all(_same(link) for link in aligned.links):
        raise ControlError(
            f"Nothing to replace: {target.text!r} swaps no word of {source.text!r}; change a word, "
            "or refine instead."
        )
    if not further:
        return aligned
    room = further[0][1].offset
    behind = tuple(_align(pair, source, target, mode) for pair in further)
    return replace(aligned, room=room, behind=behind)


def _stretches(source: Prompt, target: Prompt) -> list[tuple[Encoding, Encoding]]:
    """What both prompts are read as, for each part of the sequence that encoders read into."""
    if not source.encodings or not target.encodings:
        raise ControlError("The prompts must be read with the model's tokenizer to be aligned.")
    by_offset: dict[int, tuple[Encoding, Encoding]] = {}
    for pair in zip(source.encodings, target.encodings, strict=True):
        by_offset.setdefault(pair[1].offset, pair)
    return list(by_offset.values())


def _align(
    stretch: tuple[Encoding, Encoding], source: Prompt, target: Prompt, mode: Mode
) -> Alignment:
    before, after = (
        _units(encoding, prompt) for encoding, prompt in zip(stretch, (source, target), strict=True)
    )
    links: list[Link] = []
    unmatched: list[Unit] = []
    dropped: list[Unit] = []
    for old, new, same in _blocks(before, after):
        words = _words(old), _words(new)
        if same:
            links += _link(old, new)
        elif mode == "replace" and all(words):
            links += _link(*words)
        else:
            unmatched += words[1]
            dropped += words[0]
    ends = tuple(encoding.offset + len(encoding.tokens) for encoding in stretch)
    return Alignment(mode, tuple(links), tuple(unmatched), tuple(dropped), (ends[0], ends[1]))


def _units(encoding: Encoding, prompt: Prompt) -> list[Unit]:
    units: list[Unit] = []
    for token in encoding.tokens:
        if token.word is not None and units and units[-1].word == token.word:
            units[-1] = Unit(units[-1].text, (*units[-1].tokens, token.index), token.word)
        else:
            text = token.text if token.word is None else prompt.words[token.word].text
            units.append(Unit(text, (token.index,), token.word))
    return units


def _words(units: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in units if unit.word is not None]


def _same(link: Link) -> bool:
    return [unit.key for unit in link.source] == [unit.key for unit in link.target]


def _link(old: Sequence[Unit], new: Sequence[Unit]) -> Iterator[Link]:
    if len(old) == len(new):
        for source, target in zip(old, new, strict=True):
            yield Link((target,), (source,))
    else:
        yield Link(tuple(new), tuple(old))


def _blocks(
    old: Sequence[Unit], new: Sequence[Unit]
) -> Iterator[tuple[list[Unit], list[Unit], bool]]:
    """The two sequences cut into (old, new, whether they are the same unit), in order."""
    loose_old: list[Unit] = []
    loose_new: list[Unit] = []
    for left, right in global_alignment([u.key for u in old], [u.key for u in new]):
        if left is None and right is not None:
            loose_new.append(new[right])
        elif right is None and left is not None:
            loose_old.append(old[left])
        elif left is not None and right is not None:
            if loose_old or loose_new:
                yield loose_old, loose_new, False
                loose_old, loose_new = [], []
            yield [old[left]], [new[right]], True
    if loose_old or loose_new:
        yield loose_old, loose_new, False


def global_alignment(
    old: Sequence[object], new: Sequence[object]
) -> list[tuple[int | None, int | None]]:
    """Pairs of positions in `old` and `new`; None where the other has no counterpart.

    Match 1, mismatch -1, gap 0; on ties an insertion into `new` goes first, then a deletion.
    """
    best = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, left in enumerate(old, 1):
        for j, right in enumerate(new, 1):
            pair = best[i - 1][j - 1] + (1 if left == right else -1)
            best[i][j] = max(best[i][j - 1], best[i - 1][j], pair)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(old), len(new)
    while i or j:
        if j and (not i or best[i][j] == best[i][j - 1]):
            j -= 1
            pairs.append((None, j))
        elif i and (not j or best[i][j] == best[i - 1][j]):
            i -= 1
            pairs.append((i, None))
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]
