"""Textual inversions asked for as in ComfyUI, `embedding:name`: the name is the word that is read.

In the other dialects a name alone is enough, as it is in AUTOMATIC1111.
"""

import re
from collections.abc import Iterator

from crossattn.dialects import Dialect

MARK = r"\bembedding:"
NAME = r"[^\W\d](?:[\w./\\-]*\w)?"
_ASKED = re.compile(f"({MARK})({NAME})")


def find_inversions(source: str, dialect: Dialect) -> Iterator[tuple[int, int, int]]:
    """Find where each mark begins, where the name behind it begins, and where that ends."""
    if dialect == "comfy" and "embedding:" in source:
        for found in _ASKED.finditer(source):
            yield found.start(), found.start(2), found.end()


def without_marks(source: str, dialect: Dialect) -> str:
    """Return a prompt with blanks in the place of its marks, as long as it was."""
    text = list(source)
    for start, name, _ in find_inversions(source, dialect):
        text[start:name] = " " * (name - start)
    return "".join(text)
