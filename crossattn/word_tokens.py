"""Which tokens of each text encoder carry which word.

A tokenizer's offsets say which characters of the prompt a token stands for. They survive case,
composition and byte-level pieces: several tokens may have the one character as their span. A token
may also span two words ("\N{FACE WITH TEARS OF JOY}\N{FACE WITH TEARS OF JOY}", a Chinese compound,
an unknown stretch); the model cannot tell these apart, so they count as one word.

A prompt that is longer than an encoder reads at once is read in stretches, each between a start and
an end token of its own and padded to the encoder's length, laid side by side. So a word of the
second stretch stands two places further than counting says. Systems end a stretch at different
places; `Split` says where.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from crossattn.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Span = tuple[int, int]
Split = Literal["anywhere", "words", "commas", "sentences"]
"""Where a full stretch ends: after its last token, its last word that would otherwise be divided
(ComfyUI), a comma among its last 20 tokens (AUTOMATIC1111), its last sentence, phrase or word
(compel)."""

_COMMAS_BACK = 20  # AUTOMATIC1111 looks back this far for a comma
_LONG_WORD = 8  # ComfyUI divides words from this many tokens on
_SENTENCE, _PHRASE = (".</w>",), (".</w>", ",</w>", ";</w>", ":</w>")


@dataclass(frozen=True)
class Token:
    """One position of an encoder's sequence."""

    index: int
    """Position in the sequence; the start token, where there is one, is 0."""
    text: str
    """The piece of the prompt that it stands for; a special token's own name."""
    id: int
    word: int | None
    """Position in Prompt.words; None for start, end, punctuation and other tokens of no word."""
    special: bool = False
    """Whether it is the tokenizer's own (start, end) and stands for nothing in the prompt."""
    weight: float = 1.0
    """That of its characters; 1.0 for special tokens."""


@dataclass(frozen=True)
class Encoding:
    """What one text encoder reads of a prompt: start token, words, first end token, no padding.

    Of several stretches, all but the last are padded: `tokens[i].index` is i.
    """

    name: str
    limit: int
    """Tokens that the encoder takes, special ones included, in all its stretches together."""
    tokens: tuple[Token, ...]
    size: int = 0
    """Tokens of one stretch, special ones included."""

    @property
    def stretches(self) -> tuple[tuple[Token, ...], ...]:
        """The tokens of each stretch, one for a prompt that is read at once."""
        size = self.size or self.limit
        return tuple(self.tokens[at : at + size] for at in range(0, len(self.tokens), size))

    @property
    def start(self) -> int | None:
        """Position of the start token; None where the encoder has none (T5)."""
        return 0 if len(self.tokens) > 1 and self.tokens[0].special else None

    @property
    def end(self) -> int | None:
        """Position of the last end token; None where the encoder has none."""
        return len(self.tokens) - 1 if self.tokens and self.tokens[-1].special else None

    @property
    def body(self) -> tuple[int, ...]:
        """Positions of the tokens that stand for something in the prompt."""
        return tuple(token.index for token in self.tokens if not token.special)


@dataclass(frozen=True)
class Piece:
    """A token before the limit: its id, its name, its characters (none if special)."""

    id: int
    name: str
    span: Span
    special: bool


def read_pieces(name: str, tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[Piece, ...]:
    """Return all tokens of a text, past the limit too, the way the pipelines have it tokenized.

    Several-vector embeddings loaded into the tokenizer ("<cat>", "<cat>_1") take their full length.
    Raises UnsupportedModelError for a tokenizer without character offsets.
    """
    if not tokenizer.is_fast:
        raise UnsupportedModelError(
            f'Words are found through character offsets, which the tokenizer of "{name}", '
            f"{type(tokenizer).__name__}, does not give; load its fast version."
        )
    encoded = tokenizer(
        text,
        truncation=False,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    ids: list[int] = encoded["input_ids"]
    added: Mapping[str, int] = tokenizer.get_added_vocab()
    pieces: list[Piece] = []
    for id_, (start, end), special in zip(
        ids, encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True
    ):
        token = str(tokenizer.convert_ids_to_tokens(id_))
        pieces.append(Piece(id_, token, (start, end), bool(special)))
        vector = 1
        # The pipelines put the further ones behind the token's own spelling, and behind no other.
        spelled = token in text[start:end]
        while spelled and token in added and (further := f"{token}_{vector}") in added:
            pieces.append(Piece(added[further], further, (start, end), False))
            vector += 1
    return tuple(pieces)


def merge_spans(spans: Sequence[Span], readings: Sequence[Sequence[Piece]]) -> tuple[Span, ...]:
    """Join neighbouring words that any encoder reads through one and the same token."""
    merged = list(spans)
    for pieces in readings:
        for piece in pieces:
            first, beyond = _touched(merged, piece)
            if beyond - first > 1:
                merged[first:beyond] = [(merged[first][0], merged[beyond - 1][1])]
    return tuple(merged)


def _touched(spans: Sequence[Span], piece: Piece) -> tuple[int, int]:
    """The range of words that a token lies on, empty for a special one."""
    if piece.special:
        return 0, 0
    first = bisect_right(spans, piece.span[0], key=lambda span: span[1])
    return first, bisect_left(spans, piece.span[1], lo=first, key=lambda span: span[0])


@dataclass(frozen=True)
class Room:
    """How much an encoder takes: `most` stretches (None: as many as it needs) of `size` tokens."""

    size: int
    most: int | None
    split: Split
    pad: tuple[int, str]

    @classmethod
    def of(
        cls, tokenizer: "PreTrainedTokenizerBase", limit: int | None, split: Split = "anywhere"
    ) -> "Room":
        """The room within a sequence of `limit` tokens, or without end (None)."""
        size = int(tokenizer.model_max_length)
        pad = int(tokenizer.pad_token_id or 0), str(tokenizer.pad_token)
        stretched = tokenizer.bos_token_id is not None and tokenizer.eos_token_id is not None
        if not stretched or (limit is not None and (limit <= size or limit % size)):
            return cls(size if limit is None else limit, 1, split, pad)
        return cls(size, None if limit is None else limit // size, split, pad)


def encode(
    name: str,
    room: Room,
    pieces: Sequence[Piece],
    text: str,
    spans: Sequence[Span],
    breaks: Sequence[int],
    weights: Sequence[float],
) -> tuple[Encoding, tuple[tuple[int, ...], ...], frozenset[int]]:
    """Divide the pieces into stretches, cut them at the limit and give each to its word.

    Returns the encoding, the token indices of each word, and the positions of the words that lost
    tokens to the limit. The special tokens at start and end stay, as tokenizers cut between them.
    """
    body = [piece for piece in pieces if not piece.special]
    first = next((at for at, piece in enumerate(pieces) if not piece.special), len(pieces))
    opening, closing = pieces[:first], [p for p in pieces[first:] if p.special]
    if not body and len(opening) > 1:
        opening, closing = opening[:1], list(opening[1:])
    free = max(room.size - len(opening) - len(closing), 0)
    ranges = list(_stretches(body, free, text, breaks, room.split))
    kept = ranges[: room.most]
    if room.most == 1:
        before_break = bisect_left([piece.span[0] for piece in body], (*breaks, len(text))[0])
        kept = [range(min(free, before_break))]

    tokens: list[Token] = []
    indices: list[list[int]] = [[] for _ in spans]

    def add(piece: Piece, owner: int | None = None) -> None:
        shown = piece.name if piece.special else text[slice(*piece.span)]
        weight = 1.0 if piece.special or not shown else weights[piece.span[0]]
        if owner is not None:
            indices[owner].append(len(tokens))
        tokens.append(Token(len(tokens), shown, piece.id, owner, piece.special, weight))

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
    behind = kept[-1].stop if kept else 0
    cut = frozenset(owner for owner in owners[behind:] if owner is not None)
    limit = room.size * (room.most or max(len(kept), 1))
    return Encoding(name, limit, tuple(tokens), room.size), tuple(map(tuple, indices)), cut


def _owner(spans: Sequence[Span], piece: Piece) -> int | None:
    first, beyond = _touched(spans, piece)
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
