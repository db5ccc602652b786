"""Weights written into a prompt so that every dialect reads them alike."""

import re
from collections.abc import Iterable, Sequence

from crossattn.notations import escape_notations
from crossattn.weight_syntax import checked_weight
from crossattn.word_spans import quoted


def format_weights(
    text: str, weighted: Iterable[tuple[int, int, float]], breaks: Sequence[int] = ()
) -> str:
    """Return a source that parse_weights reads as this text with these (start, end, weight) spans.

    The spans are words in order; weights of 1 are not written, marks in the text are escaped, and
    each of the `breaks` is written again. It reads the same in every dialect.
    """
    spans = [one for one in weighted if one[2] != 1]
    stretches = []
    for begin, beyond in zip((0, *breaks), (*breaks, len(text)), strict=True):
        written: list[str] = []
        done = begin
        for start, end, weight in spans:
            if begin <= start < beyond:
                written.append(_escape(text[done:start], after_word=done > begin))
                weight = checked_weight(weight, quoted(text[start:end]))
                word = _escape(text[start:end], after_word=False)
                # Two whole numbers and a colon would be a ratio.
                point = ".0" if text[end - 1].isdecimal() and weight == int(weight) else ""
                written.append(word if weight == 1 else f"({word}:{weight:g}{point})")
                done = end
        written.append(_escape(text[done:beyond], after_word=done > begin))
        stretches.append("".join(written))
    return "BREAK ".join(stretches)


def _escape(text: str, after_word: bool) -> str:
    escaped = escape_notations(re.sub(r"[()\[\]\\]", r"\\\g<0>", text))
    # A sign behind any word of the text would weigh it where signs do.
    signs = r"(?:(?<=\w)|^)(?=[+-])" if after_word else r"(?<=\w)(?=(?:\++|-+)(?:$|[^\w+-]))"
    return re.sub(signs, r"\\", escaped)
