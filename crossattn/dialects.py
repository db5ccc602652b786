"""The dialects of prompts: which marks weigh words in each, and what weights in each other make."""

from dataclasses import dataclass
from typing import Literal

Dialect = Literal["attention", "attention-normalised", "a1111", "comfy", "compel", "difference"]
"""Whose notation a prompt is written in, and what its weights do."""

USUAL: Dialect = "compel"
"""Whose notation a prompt is written in that names none; models decide what its weights do."""

BRACKET = 1.1
"""What a pair of brackets without a number multiplies by, or divides by if they are square."""


@dataclass(frozen=True)
class Notation:
    """What the marks of a dialect mean; `(words:1.3)` and a backslash are the same in all.

    `round` is the weight of `(words)`, `square` that of `[words]`, None where brackets are text.
    With `signs`, `word++`, `word--` and `(words)1.3` weigh. With `innermost`, a number holds alone,
    whatever stands around it; else weights in each other multiply. `system` is what people call it.
    """

    system: str
    round: float
    square: float | None
    signs: bool
    innermost: bool


_A1111 = Notation("AUTOMATIC1111", BRACKET, 1 / BRACKET, signs=False, innermost=False)
_COMPEL = Notation("compel", 1.0, None, signs=True, innermost=False)
NOTATIONS: dict[str, Notation] = {
    "attention": _A1111,
    "attention-normalised": _A1111,
    "a1111": _A1111,
    "comfy": Notation("ComfyUI", BRACKET, None, signs=False, innermost=True),
    "compel": _COMPEL,
    "difference": _COMPEL,
}
