"""Which tokens of each text encoder carry which word.

A tokenizer's offsets say which characters of the prompt a token stands for. They survive case,
composition and byte-level pieces: several tokens may have the one character as their span. A token
may also span two words ("\N{FACE WITH TEARS OF JOY}\N{FACE WITH TEARS OF JOY}", a Chinese compound,
an unknown stretch); the model cannot tell these apart, so they count as one word.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from crossattn.errors import UnsupportedModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Span = tuple[int, int]


@dataclass(frozen=True)
class Token:
    """One position of an encoder's sequence."""

    index: int
    """Position in the sequence that is attended to; counted from 0, where its encoder is first."""
    text: str
    """The piece of the prompt that it stands for; a special token's own name."""
    id: int
    word: int | None
    """Position in Prompt.words; None for start, end, punctuation and other tokens of no word."""
    special: bool = False
    """Whether it stands for nothing in the prompt: the tokenizer's own, or the template's."""
    weight: float = 1.0
    """That of its characters; 1.0 for special tokens."""


@dataclass(frozen=True)
class Encoding:
    """What one text encoder reads of a prompt: start token, words, first end token, no padding.

    Of several stretches, all but the last are padded: `tokens[i].index` is `offset` + i.
    """

    name: str
    limit: int
    """Tokens that the encoder takes, special ones included, in all its stretches together."""
    tokens: tuple[Token, ...]
    size: int = 0
    """Tokens of one stretch, special ones included."""
    offset: int = 0
    """Where its sequence begins in the one attended to: 0 unless it stands behind others'."""

    @property
    def stretches(self) -> tuple[tuple[Token, ...], ...]:
        """The tokens of each stretch, one for a prompt that is read at once."""
        size = self.size or self.limit
        return tuple(self.tokens[at : at + size] for at in range(0, len(self.tokens), size))

    @property
    def start(self) -> int | None:
        """Position of the start token; None where the encoder has none (T5)."""
        return self.offset if len(self.tokens) > 1 and self.tokens[0].special else None

    @property
    def end(self) -> int | None:
        """Position of the last end token; None where the encoder has none."""
        return self.tokens[-1].index if self.tokens and self.tokens[-1].special else None

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


@dataclass(frozen=True)
class TextReader:
    """How a pipeline has a text read: its tokenizer, and what is done around it.

    Cut at `limit` tokens (None: the tokenizer's own), from `offset` on in the sequence that is
    attended to; `lowered` first, and put between `before` and `behind`. The tokens at `dropped`
    (the first, and the one past the last) are read, but not given to the denoiser. `left` says that
    padding stands before the text, `stretched` that a longer prompt may be read in several
    stretches.
    """

    tokenizer: "PreTrainedTokenizerBase"
    limit: int | None = None
    offset: int = 0
    lowered: bool = False
    before: str = ""
    behind: str = ""
    dropped: Span = (0, 0)
    left: bool = False
    stretched: bool = True

    @property
    def size(self) -> int:
        """The length of its sequence in tokens."""
        return int(self.tokenizer.model_max_length) if self.limit is None else self.limit

    @cached_property
    def around(self) -> tuple[int, int]:
        """How many tokens of a template the denoiser is given before a prompt, and behind it."""
        if not self.before and not self.behind:
            return 0, 0
        special = [piece.special for piece in read_pieces("", self, "a")]
        return special.index(False), special[::-1].index(False)


def read_pieces(name: str, reader: TextReader, text: str) -> tuple[Piece, ...]:
    """Return all tokens of a text, past the limit too, the way the pipelines have it tokenized.

    Several-vector embeddings loaded into the tokenizer ("<cat>", "<cat>_1") take their full length.
    Raises UnsupportedModelError for a tokenizer without character offsets.
    """
    tokenizer = reader.tokenizer
    if not tokenizer.is_fast:
        raise UnsupportedModelError(
            f'Words are found through character offsets, which the tokenizer of "{name}", '
            f"{type(tokenizer).__name__}, does not give; load its fast version."
        )
    # What is tokenized, and for each character of it the one of the prompt that it stands for.
    parts = [each.lower() if reader.lowered else each for each in text]
    origin = [place for place, part in enumerate(parts) for _ in part]
    prompt = "".join(parts)
    if reader.lowered:
        blank = len(prompt) - len(prompt.lstrip())
        origin, prompt = origin[blank:], prompt.strip()
    start = len(reader.before)
    encoded = tokenizer(
        reader.before + prompt + reader.behind,
        truncation=False,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    ids: list[int] = encoded["input_ids"]
    added: Mapping[str, int] = tokenizer.get_added_vocab()
    pieces: list[Piece] = []
    for id_, (first, beyond), special in zip(
        ids, encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True
    ):
        token = str(tokenizer.convert_ids_to_tokens(id_))
        first, beyond = max(first - start, 0), min(beyond - start, len(prompt))
        outside = bool(reader.before or reader.behind) and first >= beyond
        if not special and not outside and first < beyond:
            first, beyond = origin[first], origin[beyond - 1] + 1
        pieces.append(Piece(id_, token, (first, beyond), bool(special) or outside))
        vector = 1
        # The pipelines put the further ones behind the token's own spelling, and behind no other.
        spelled = token in text[first:beyond]
        while spelled and token in added and (further := f"{token}_{vector}") in added:
            pieces.append(Piece(added[further], further, (first, beyond), False))
            vector += 1
    low, high = reader.dropped
    return (*pieces[:low], *pieces[high:])


def merge_spans(spans: Sequence[Span], readings: Sequence[Sequence[Piece]]) -> tuple[Span, ...]:
    """Join neighbouring words that any encoder reads through one and the same token."""
    merged = list(spans)
    for pieces in readings:
        for piece in pieces:
            first, beyond = touched(merged, piece)
            if beyond - first > 1:
                merged[first:beyond] = [(merged[first][0], merged[beyond - 1][1])]
    return tuple(merged)


def touched(spans: Sequence[Span], piece: Piece) -> tuple[int, int]:
    """The range of words that a token lies on, empty for a special one."""
    if piece.special:
        return 0, 0
    first = bisect_right(spans, piece.span[0], key=lambda span: span[1])
    return first, bisect_left(spans, piece.span[1], lo=first, key=lambda span: span[0])
