"""Long prompts: how an encoder's sequence is divided into stretches, and cut at its limit.

A prompt that is longer than an encoder reads at once is read in stretches, each between a start and
an end token of its own and padded to the encoder's length, laid side by side. So a word of the
second stretch stands two places further than counting says. Systems end a stretch at different
places; `Split` says where.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from crossattn.word_tokens import Encoding, Piece, Span, TextReader, Token, touched

Split = Literal["anywhere", "words", "commas", "sentences"]
"""Where a full stretch ends: after its last token, its last word that would otherwise be divided
(ComfyUI), a comma among its last 20 tokens (AUTOMATIC1111), its last sentence, phrase or word
(compel)."""

_COMMAS_BACK = 20  # AUTOMATIC1111 looks back this far for a comma
_LONG_WORD = 8  # ComfyUI divides words from this many tokens on
_SENTENCE, _PHRASE = (".</w>",), (".</w>", ",</w>", ";</w>", ":</w>")


@dataclass(frozen=True)
class Room:
    """How much an encoder takes: `most` stretches (None: as many as it needs) of `size` tokens."""

    size: int
    most: int | None
    split: Split
    pad: tuple[int, str]

    @classmethod
    def of(cls, reader: TextReader, limit: int | None, split: Split = "anywhere") -> "Room":
        """The room within a sequence of `limit` tokens, or without end (None)."""
        size, tokenizer = reader.size, reader.tokenizer
        pad = int(tokenizer.pad_token_id or 0), str(tokenizer.pad_token)
        ends = tokenizer.bos_token_id is not None and tokenizer.eos_token_id is not None
        stretched = reader.stretched and ends
        if not stretched or (limit is not None and (limit <= size or limit % size)):
            return cls(size if limit is None else limit, 1, split, pad)
        return cls(size, None if limit is None else limit // size, split, pad)


def encode(
    name: str,
    reader: TextReader,
    room: Room,
    pieces: Sequence[Piece],
    text: str,
    spans: Sequence[Span],
    breaks: Sequence[int],
    weights: Sequence[float],
) -> tuple[Encoding, tuple[tuple[int, ...], ...], frozenset[int]]:
    """Divide the pieces into stretches, cut them at the limit and give each to its word.

    Returns the encoding, the token indices of each word, and the positions of the words that lost
    tokens to the limit. The special tokens at start and end stay, as tokenizers cut between them; a
    template's, which are special too, are cut at the end as any other.
    """
    body = [piece for piece in pieces if not piece.special]
    first = next((at for at, piece in enumerate(pieces) if not piece.special), len(pieces))
    opening, closing = pieces[:first], [p for p in pieces[first:] if p.special]
    behind_all = closing if reader.behind else []
    closing = [] if reader.behind else closing
    if not body and len(opening) > 1:
        opening, closing = opening[:1], list(opening[1:])
    free = max(room.size - len(opening) - len(closing), 0)
    ranges = list(_stretches(body, free, text, breaks, room.split))
    kept = ranges[: room.most]
    if room.most == 1:
        before_break = bisect_left([piece.span[0] for piece in body], (*breaks, len(text))[0])
        kept = [range(min(free, before_break))]

    filled = sum(len(opening) + len(each) + len(closing) for each in kept) + len(behind_all)
    offset = reader.offset + (max(0, room.size - filled) if reader.left else 0)
    tokens: list[Token] = []
    indices: list[list[int]] = [[] for _ in spans]

    def add(piece: Piece, owner: int | None = None) -> None:
        shown = piece.name if piece.special else text[slice(*piece.span)]
        weight = 1.0 if piece.special or not shown else weights[piece.span[0]]
        if owner is not None:
            indices[owner].append(offset + len(tokens))
        place = offset + len(tokens)
        tokens.append(Token(place, shown, piece.id, owner, piece.special, weight))

    owners = [_owner(spans, piece) for piece in body]
    for number, stretch in enumerate(kept):
        for piece in opening:
            add(piece)
        for at in stretch:
            add(body[at], owners[at])
        for piece in closing:
            add(piece)
        while number + 1 < len(kept) and len(tokens) % room.size:
            add(Piece(*room.pad, (0, 0), True))
    for piece in behind_all[: max(0, room.size - len(tokens))]:
        add(piece)
    behind = kept[-1].stop if kept else 0
    cut = frozenset(owner for owner in owners[behind:] if owner is not None)
    limit = room.size * (room.most or max(len(kept), 1))
    encoding = Encoding(name, limit, tuple(tokens), room.size, offset)
    return encoding, tuple(map(tuple, indices)), cut


def _owner(spans: Sequence[Span], piece: Piece) -> int | None:
    first, beyond = touched(spans, piece)
    return first if first < beyond else None


def _stretches(
    body: Sequence[Piece], free: int, text: str, breaks: Sequence[int], split: Split
) -> Iterator[range]:
    """The pieces of each stretch, of at most `free`; one more behind each break."""
    starts = [piece.span[0] for piece in body]
    bounds = [0, *(bisect_left(starts, cut) for cut in breaks), len(body)]
    if breaks and bounds[-2] == len(body):
        bounds.pop()  # a break at the end begins nothing
    for begin, end in pairwise(bounds):
        while free and end - begin > free:
            full = begin + _full(body[begin:end], free, text, split)
            yield range(begin, full)
            begin = full
        yield range(begin, end)


def _full(pieces: Sequence[Piece], free: int, text: str, split: Split) -> int:
    """How many of too many pieces a stretch takes."""
    if split == "commas":
        comma = next((at for at in range(free - 1, -1, -1) if pieces[at].name == ",</w>"), None)
        near = comma is not None and free - comma <= _COMMAS_BACK
        return comma + 1 if comma is not None and near and pieces[free].name != ",</w>" else free
    if split == "sentences":
        for ends in (_SENTENCE, _PHRASE, ("",)):
            for at in range(free - 1, -1, -1):
                name = pieces[at].name
                if name in ends or (ends == ("",) and name.endswith("</w>")):
                    return at + 1
    if split == "words":
        begun = free
        while begun and not text[pieces[begun - 1].span[1] : pieces[begun].span[0]].isspace():
            begun -= 1
        whole = begun
        while (
            whole < len(pieces) - 1
            and not text[pieces[whole].span[1] : pieces[whole + 1].span[0]].isspace()
        ):
            whole += 1
        return begun if begun and whole + 1 - begun < _LONG_WORD else free
    return free
