"""Weights written into a prompt so that every dialect reads them alike."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from crossattn.errors import WordNotFoundError
from crossattn.lora_tags import LoraTag
from crossattn.notations import escape_notations
from crossattn.weight_syntax import checked_weight
from crossattn.word_spans import quoted

if TYPE_CHECKING:
    from crossattn.words import Prompt


def format_weights(
    text: str,
    weighted: Iterable[tuple[int, int, float]],
    breaks: Sequence[int] = (),
    loras: Sequence[LoraTag] = (),
    inversions: Sequence[tuple[int, int]] = (),
) -> str:
    """Return a source that parse_weights reads as this text with these (start, end, weight) spans.

    The spans are words in order; weights of 1 are not written, marks in the text are escaped, and
    each of the `breaks` and `loras` is written again, a LoRA never within a weighted word. It reads
    the same in every dialect, unless it has `inversions`, marked as in ComfyUI.
    """
    weights = [one for one in weighted if one[2] != 1]
    marked = {start: "embedding:" for start, _ in inversions}
    plain = marked.keys() - {start for start, _, _ in weights}
    pieces: list[tuple[int, int, float | str]] = [*weights]
    pieces += [(tag.at, tag.at, str(tag)) for tag in loras]
    pieces += [(start, start, marked[start]) for start in plain]
    pieces.sort(key=lambda one: one[:2])
    stretches = []
    edges = (0, *breaks, len(text))
    for number, (begin, beyond) in enumerate(pairwise(edges)):
        last = number == len(edges) - 2
        written: list[str] = []
        done = begin
        for start, end, what in pieces:
            if not (begin <= start < beyond or (last and start == beyond)):
                continue
            if start > done:
                written.append(_escape(text[done:start], after_word=bool(written)))
            if isinstance(what, str):
                written.append(what)
            else:
                written.append(_weighed(text[start:end], what, marked.get(start, "")))
            done = max(done, end)
        written.append(_escape(text[done:beyond], after_word=bool(written)))
        stretches.append("".join(written))
    return "BREAK ".join(stretches)


def _weighed(word: str, weight: float, mark: str) -> str:
    weight = checked_weight(weight, quoted(word))
    written = mark + _escape(word, after_word=False)
    # Two whole numbers and a colon would be a ratio.
    point = ".0" if word[-1].isdecimal() and weight == int(weight) else ""
    return written if weight == 1 else f"({written}:{weight:g}{point})"


def _escape(text: str, after_word: bool) -> str:
    escaped = escape_notations(re.sub(r"[()\[\]\\]", r"\\\g<0>", text))
    # A sign behind any word of the text, an emoji too, would weigh it where signs do.
    behind = r"(?<=[^\s+\-\\])"
    signs = rf"(?:{behind}|^)(?=[+-])" if after_word else rf"{behind}(?=(?:\++|-+)(?:$|[^\w+-]))"
    return re.sub(signs, r"\\", escaped)


def with_weights(prompt: "Prompt", weights: Mapping[int, float]) -> str:
    """Return the prompt's raw text with other weights on the words at these positions.

    The other words keep theirs, and all are written as `(word:1.3)`; 1.0 takes a weight away.
    Raises PromptError for a weight out of bounds, WordNotFoundError for a position of no word.
    """
    for position in weights:
        if not 0 <= position < len(prompt.words):
            raise WordNotFoundError(
                f"The prompt has {len(prompt.words)} words, counted from 0, so none is at "
                f"{position}; choose another."
            )
    return format_weights(
        prompt.text,
        (
            (*word.span, weights.get(position, word.weight))
            for position, word in enumerate(prompt.words)
        ),
        prompt.breaks,
        prompt.loras,
        prompt.inversions,
    )
