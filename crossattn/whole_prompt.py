"""A whole prompt, with all that it says in the course of a run: its checks, text and marks."""

from collections.abc import Iterator
from dataclasses import replace

from crossattn.dialects import Dialect
from crossattn.errors import PromptError
from crossattn.lora_tags import LoraTag
from crossattn.marks import Mark
from crossattn.notations import refuse_notations
from crossattn.prompt_schedule import Switch, Turns, at_step, changes, parts, plan
from crossattn.word_spans import quoted
from crossattn.words import Prompt, read_prompt


def check_prompt(
    source: str, dialect: Dialect, *, several: bool = True, steps: int | None = None
) -> None:
    """Raise PromptError for a prompt that cannot be read.

    Where `several` are drawn by, it may change in the course of its `steps`, and have AND.
    """
    if not several:
        read_prompt(source, dialect=dialect)
        return
    refuse_notations(source, dialect)
    for said, _ in plan(source, steps or 50):
        for part in said:
            read_prompt(part.source, dialect=dialect)


def check_negative_prompt(source: str, dialect: Dialect, *, steps: int | None = None) -> None:
    """Raise PromptError for a negative prompt that cannot be read, has AND, or a negative word."""
    for said, _ in plan(source, steps or 50):
        if len(said) > 1:
            raise PromptError(
                "AND stands in the negative prompt, which is one prompt; write \\AND for the word."
            )
        read = read_prompt(said[0].source, dialect=dialect)
        if read.loras:
            raise PromptError(
                f"The negative prompt has {quoted(str(read.loras[0]))}, but a LoRA acts on the "
                "whole picture; write it into the prompt."
            )
        for word in read.words:
            if word.weight < 0:
                raise PromptError(
                    f"The negative prompt turns {quoted(word.text)} around by the weight "
                    f"{word.weight:g}; ask for it in the prompt instead."
                )


def loras(source: str, dialect: Dialect, steps: int | None = None) -> tuple[LoraTag, ...]:
    """Return the LoRAs that a prompt asks for in the course of a run, as often as they differ.

    Raises PromptError for a prompt that cannot be read.
    """
    if "<lora:" not in source:
        return ()
    passages = plan(source, steps or 50)
    said = dict.fromkeys(part.source for prompts, _ in passages for part in prompts)
    found = (tag for text in said for tag in read_prompt(text, dialect=dialect).loras)
    return tuple(dict.fromkeys(replace(tag, at=0) for tag in found))


def longest_prompt(source: str, dialect: Dialect = "compel", steps: int | None = None) -> Prompt:
    """Return the prompt, without tokens, that a run of `steps` draws by most; of an AND, the first.

    It is the one that a result's trace is of. Raises PromptError for one that cannot be read.
    """
    said, _ = max(plan(source, steps or 50), key=lambda passage: len(passage[1]))
    return read_prompt(said[0].source, dialect=dialect)


def plain_text(source: str, dialect: Dialect = "compel") -> str:
    """Return what a prompt says without its marks, at the end of the run; parts joined by "and"."""
    said = parts(at_step(source, 0, 1))
    return " and ".join(read_prompt(part.source, dialect=dialect).text.strip() for part in said)


def marks(source: str, dialect: Dialect = "compel") -> tuple[Mark, ...]:
    """Return what each mark of a prompt does: changes and AND first, then the weights.

    Raises PromptError for a prompt that cannot be read.
    """
    found = [*_changes(source)]
    most = max(len(said) for said, _ in plan(source, 50))
    if most > 1:
        at = source.index("AND")
        found.append(Mark(at, at + 3, "AND", f"draws by {most} prompts at once"))
    within: dict[tuple[str, str], Mark] = {}
    for said, _ in plan(source, 50):
        for part in said:
            for mark in read_prompt(part.source, dialect=dialect).marks:
                within.setdefault((mark.text, mark.does), mark)
    return (*found, *within.values())


def _changes(source: str) -> Iterator[Mark]:
    for change in changes(source):
        at = source.index(change.source)
        yield Mark(at, at + len(change.source), change.source, _said(change))


def _said(change: Switch | Turns) -> str:
    if isinstance(change, Turns):
        texts = (change.source[left:right] for left, right in change.spans)
        return f"takes turns, step by step: {', '.join(quoted(text) for text in texts)}"
    before, after = (quoted(change.source[left:right]) for left, right in change.spans)
    share = f"{change.when} of the run" if "." in change.when else f"{change.when} steps"
    return f"{before} for the first {share}, then {after}"
