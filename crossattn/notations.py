"""Notations of other systems that are no weights: found in a prompt, refused by name, escaped."""

import re

from crossattn.dialects import Dialect
from crossattn.errors import PromptError
from crossattn.inversion_marks import MARK, NAME, without_marks
from crossattn.lora_tags import without_tags
from crossattn.word_spans import quoted

# Each finishes the sentence: "<what stands there>" is <sentence>
_REFUSED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?<!\\)<(?:lyco|hypernet):[^<>]*>|\b(?:withLora|useLora)\([^()]*\)"),
        "how a network is asked for elsewhere, and not here: a LoRA is written <lora:name:0.8>",
    ),
    (
        re.compile(r"(?<!\\)(?:\{[^{}]*\|[^{}]*\}|\{[\d-]+\$\$|\$\{|(?<!\w)__[\w/*.~-]+?__(?!\w))"),
        "a choice of dynamic prompts, and a recipe is one picture: crossattn expand makes a plan "
        "of all that it stands for",
    ),
    (
        re.compile(r"(?<=[\w)\"])\.(?:blend|and|add)\([^()]*\)"),
        "compel's way to join the embeddings of several prompts, which is not read here: AND draws "
        "by several prompts at once, BREAK puts them side by side",
    ),
    (
        re.compile(r"(?<=[\w)\"])\.swap\([^()]*\)"),
        "compel's way to swap words, which does nothing there either: crossattn edit swaps them",
    ),
    (
        re.compile(r"(?<=[\w)\"])\.attend\([^()]*\)"),
        "compel's long way to write a weight: write (word:1.3)",
    ),
    (
        re.compile(MARK + NAME),
        "ComfyUI's way to ask for a textual inversion: in this dialect write its name alone",
    ),
    (
        re.compile(r"(?<![\w\\])(?:ADDCOL|ADDROW|ADDBASE|ADDCOMM)\b"),
        "a mark of Regional Prompter: hold words to places by regions (--region)",
    ),
    (
        re.compile(
            r"(?<![\w\\])(?:COUPLE|AREA|MASK|IMASK|FEATHER|SHIFT|STYLE|TE_WEIGHT)\([^()]*\)"
        ),
        "a call of ComfyUI's prompt-control, which is not read here: take it out, and hold words "
        "to places by regions (--region)",
    ),
)
_ESCAPED = re.compile(
    r"<(?=(?:lora|lyco|hypernet):)|\{|\$(?=\{)|(?<!\w)_(?=_)|(?<=\bembedding):"
    r"|(?<!\w)(?=(?:ADDCOL|ADDROW|ADDBASE|ADDCOMM|BREAK|AND)\b)"
)
KEYWORD = re.compile(r"(?:ADDCOL|ADDROW|ADDBASE|ADDCOMM|BREAK|AND)\b")
"""Words in capitals that mean something unless a backslash stands before them."""


def refuse_notations(source: str, dialect: Dialect = "compel") -> None:
    """Raise PromptError, which names it, for what another system would not read as words."""
    text = without_marks(without_tags(source), dialect)
    for pattern, what in _REFUSED:
        if found := pattern.search(text):
            raise PromptError(
                f"{quoted(found.group())} is {what}; a backslash before its first mark makes it "
                "plain text."
            )


def escape_notations(text: str) -> str:
    """Return a text with a backslash wherever a notation that is no weight would begin."""
    return _ESCAPED.sub(r"\\\g<0>", text)
