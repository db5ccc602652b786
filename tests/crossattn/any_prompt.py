"""Prompts of whatever people and machines may write, for property tests."""

from hypothesis import strategies as st

from crossattn.dialects import NOTATIONS, Dialect

SNIPPETS = [
    "cat",
    "Red",
    "(",
    ")",
    "[",
    "]",
    "++",
    "-",
    "+",
    ":1.3",
    ":",
    "1.5",
    "\\",
    " ",
    ",",
    "|",
]
SNIPPETS += ["BREAK", "AND", "{", "__", "<lora:", "$", ":0.5", "embedding", ".blend(", "ADDCOL"]
SNIPPETS += ["é", "红", "🎈", "👨‍👩‍👧\u200d", "+\ufe0f", "'", "."]
prompts = st.lists(st.sampled_from(SNIPPETS) | st.characters(exclude_categories=["Cs"])).map(
    "".join
)

DIALECTS: list[Dialect] = list(NOTATIONS)  # type: ignore[arg-type]
