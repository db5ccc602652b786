"""A prompt as its words: what the user wrote, what the model reads, and where each word went.

This is the one place that turns text into words, words into tokens, and weight syntax into weights.
`read_prompt` is the way in.
"""

import difflib
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossattn.dialects import Dialect
from crossattn.errors import PromptError, WordNotFoundError
from crossattn.lora_tags import LoraTag
from crossattn.marks import Mark, Weighted
from crossattn.notations import refuse_notations
from crossattn.prompt_schedule import changes, parts
from crossattn.stretches import Room, Split, encode
from crossattn.weight_syntax import parse_weights
from crossattn.word_spans import find_words, quoted, refuse_unreadable, same_word
from crossattn.word_tokens import Encoding, Piece, TextReader, Token, merge_spans, read_pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Encoding", "Prompt", "PromptCutWarning", "Token", "Word", "read_prompt"]


_SPLITS: Mapping[str, Split] = {
    "a1111": "commas",
    "compel": "sentences",
    "difference": "sentences",
}
_NUMBERED = re.compile(r"(.*\S)#([0-9]{1,4})")


class PromptCutWarning(UserWarning):
    """A text encoder reads fewer tokens than the prompt has; the text names the words cut off."""


@dataclass(frozen=True)
class Word:
    """One word of a prompt and the tokens that carry it."""

    text: str
    """As the user wrote it, without weight syntax."""
    occurrence: int
    """1 for the first "dog", 2 for the second, whatever their case."""
    span: tuple[int, int]
    """First character, and one past the last, in Prompt.text."""
    weight: float
    """From the weight syntax; 1.0 where there is none. Of a partly weighted word, the strongest."""
    tokens: tuple[tuple[int, ...], ...]
    """For each encoder, positions in the sequence attended to; none for what fell off the end."""


@dataclass(frozen=True)
class Prompt:
    """A prompt read once, for the model and for everybody who asks about its words."""

    raw: str
    """As the user wrote it, weight syntax included."""
    text: str
    """What the model reads: the weight syntax taken out."""
    words: tuple[Word, ...]
    encodings: tuple[Encoding, ...]
    """One for each tokenizer that was given, in their order."""
    dropped: tuple[Word, ...]
    """The words that an encoder's limit cut off, wholly or in part."""
    breaks: tuple[int, ...] = ()
    """Where in the text `BREAK` begins a new stretch."""
    marks: tuple[Mark, ...] = ()
    """What each mark of the source did, in order."""
    dialect: Dialect = "compel"
    """Whose marks they are."""
    loras: tuple[LoraTag, ...] = ()
    """The LoRAs that it asks for, which recipes load, and nobody else."""
    inversions: tuple[tuple[int, int], ...] = ()
    """Where in the text the textual inversions stand that it asks for by a mark."""

    @property
    def length(self) -> int:
        """The tokens of the sequence attended to, up to the last one that is the prompt's."""
        return max((each.offset + len(each.tokens) for each in self.encodings), default=0)

    def find(self, text: str) -> tuple[Word, ...]:
        """Return all occurrences of a word, whatever its case; WordNotFoundError if none."""
        matches = self._matches(text)
        found = tuple(match[0] for match in matches if len(match) == 1)
        if not found:
            raise WordNotFoundError(
                f"One word was asked for, but {quoted(text)} is several; ask for it as a phrase."
                if matches
                else self._what_is_missing(text)
            )
        return found

    def word(self, text: str, occurrence: int | None = None) -> Word:
        """Return one occurrence of a word, the first unless told; WordNotFoundError if absent."""
        found = self.find(text)
        return found[_position(text, occurrence, len(found))]

    def phrase(self, text: str, occurrence: int | None = None) -> tuple[Word, ...]:
        """Return the words of one occurrence of a phrase such as "blue balloon", or of one word.

        They follow each other in the prompt with nothing but gaps between them; it is the first
        occurrence unless told. Raises WordNotFoundError if absent.
        """
        matches = self._matches(text)
        if not matches:
            raise WordNotFoundError(self._what_is_missing(text))
        return matches[_position(text, occurrence, len(matches))]

    def named(self, text: str) -> tuple[Word, ...]:
        """Return every occurrence of a word, or the first of a phrase; WordNotFoundError if none.

        "dog#2" is the second dog alone. This is what a text means wherever words are asked for by
        name alone.
        """
        numbered = _NUMBERED.fullmatch(text)
        if numbered:
            return self.phrase(numbered[1], int(numbered[2]))
        return self.find(text) if len(find_words(text)) < 2 else self.phrase(text)

    def name_of(self, word: Word) -> str:
        """Return the name by which `named` finds that one word: its text, or "dog#2"."""
        matches = self._matches(word.text)
        return word.text if len(matches) == 1 else f"{word.text}#{matches.index((word,)) + 1}"

    def __contains__(self, text: str) -> bool:
        """Whether `named` finds it."""
        try:
            return bool(self.named(text))
        except WordNotFoundError:
            return False

    def _matches(self, text: str) -> tuple[tuple[Word, ...], ...]:
        asked = _parts(text)
        present = [(part, word) for word in self.words for part in _parts(word.text)]
        runs = (present[at : at + len(asked)] for at in range(len(present) - len(asked) + 1))
        found = (
            tuple(dict.fromkeys(word for _, word in run))
            for run in runs
            if run and [part for part, _ in run] == asked
        )
        return tuple(dict.fromkeys(found))

    def _what_is_missing(self, text: str) -> str:
        present = {same_word(word.text): word.text for word in self.words}
        near = difflib.get_close_matches(same_word(text), present)
        if near:
            hint = f"did you mean {' or '.join(quoted(present[key]) for key in near)}?"
        elif present:
            hint = f"choose among {_listed(map(quoted, present.values()))}."
        else:
            hint = "it has no words at all."
        return f"The prompt has no {quoted(text)}; {hint}"


def token_positions(words: Iterable[Word]) -> list[int]:
    """The positions of words in the sequence that is attended to; side-by-side encoders share."""
    return sorted({token for word in words for tokens in word.tokens for token in tokens})


def read_prompt(
    source: str,
    tokenizers: "Mapping[str, PreTrainedTokenizerBase | TextReader] | None" = None,
    limits: Mapping[str, int | None] | None = None,
    *,
    syntax: bool = True,
    dialect: Dialect = "compel",
) -> Prompt:
    """Read a prompt into words, weights and, for each named tokenizer, tokens.

    A `TextReader` says what a pipeline does around its tokenizer. The `dialect` decides what marks
    mean. Without `syntax` the text is taken as it stands: brackets are text and every weight is 1.

    The limits are sequence lengths in tokens, for pipelines that cut shorter or longer than the
    tokenizer's own model_max_length: a multiple of that is as many stretches, None as many as the
    prompt needs. Warns with PromptCutWarning when words fall off. Raises PromptError for characters
    that no model reads, for weights that are none, for notations that mean something elsewhere and
    nothing here, and for prompts that are several (`crossattn.prompt_schedule` takes them apart);
    UnsupportedModelError for a tokenizer without character offsets.
    """
    refuse_unreadable(source)
    if syntax:
        _refuse_several(source)
        refuse_notations(source, dialect)
        read = parse_weights(source, dialect)
    else:
        read = Weighted(source, (1.0,) * len(source), (), ())
    text, weights = read.text, read.weights
    readers = {
        name: each if isinstance(each, TextReader) else TextReader(each)
        for name, each in (tokenizers or {}).items()
    }
    pieces = {name: read_pieces(name, each, text) for name, each in readers.items()}
    named = [Piece(0, "", span, special=False) for span in read.inversions]
    spans = merge_spans(find_words(text), [*pieces.values(), named])
    split = _SPLITS.get(dialect, "words") if syntax else "anywhere"

    encodings: list[Encoding] = []
    tokens: list[tuple[tuple[int, ...], ...]] = []
    cuts: list[frozenset[int]] = []
    for name, reader in readers.items():
        room = Room.of(reader, (limits or {}).get(name, reader.size), split)
        encoding, indices, cut = encode(
            name, reader, room, pieces[name], text, spans, read.breaks, weights
        )
        encodings.append(encoding)
        tokens.append(indices)
        cuts.append(cut)

    words: list[Word] = []
    seen: Counter[str] = Counter()
    for position, (start, end) in enumerate(spans):
        key = same_word(text[start:end])
        seen[key] += 1
        strongest = max(weights[start:end], key=lambda weight: abs(weight - 1))
        of_word = tuple(indices[position] for indices in tokens)
        words.append(Word(text[start:end], seen[key], (start, end), strongest, of_word))
    for encoding, of_words, cut in zip(encodings, tokens, cuts, strict=True):
        if cut:
            lost = _listed(
                quoted(words[position].text) + (" in part" if of_words[position] else "")
                for position in sorted(cut)
            )
            message = (
                f'The encoder "{encoding.name}" reads {encoding.limit} tokens and the prompt has '
                f"{len(pieces[encoding.name])}: {lost} fell off the end; shorten the prompt."
            )
            warnings.warn(message, PromptCutWarning, stacklevel=2)
    dropped = tuple(words[position] for position in sorted(frozenset().union(*cuts)))
    return Prompt(
        source,
        text,
        tuple(words),
        tuple(encodings),
        dropped,
        read.breaks,
        read.marks,
        dialect,
        read.loras,
        read.inversions,
    )


def _refuse_several(source: str) -> None:
    if changing := changes(source):
        raise PromptError(
            f"{quoted(changing[0].source)} changes words during the run, and one prompt alone is "
            "read here, or edited; a recipe without an edit draws it, and \\[ is a plain bracket."
        )
    if len(parts(source)) > 1:
        raise PromptError(
            "AND joins several prompts, and one prompt alone is read here, or edited; a recipe "
            "without an edit draws them; write \\AND for the word."
        )


def _parts(text: str) -> list[str]:
    return [same_word(text[start:end]) for start, end in find_words(text)]


def _position(text: str, occurrence: int | None, count: int) -> int:
    number = 1 if occurrence is None else occurrence
    if not 1 <= number <= count:
        times = "once" if count == 1 else f"{count} times"
        raise WordNotFoundError(
            f"The prompt has {quoted(text)} {times}, so there is no occurrence {number}; "
            "occurrences count from 1."
        )
    return number - 1


def _listed(words: Iterable[str], most: int = 20) -> str:
    names = list(words)
    rest = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join(names[:most] + rest)
