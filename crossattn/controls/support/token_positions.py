"""Where the words that a control is asked for stand in the sequence that is attended to."""

from collections.abc import Mapping, Sequence

from crossattn.errors import WordNotFoundError
from crossattn.words import Prompt, token_positions


def listed(words: str | Sequence[str]) -> tuple[str, ...]:
    """Words or phrases as a tuple; one may be given without a list."""
    return (words,) if isinstance(words, str) else tuple(words)


def positions_by_prompt(prompts: Mapping[int, Prompt], text: str) -> dict[int, list[int]]:
    """The places of a word or phrase in each prompt that has it.

    Raises `WordNotFoundError` if none has it, or if it fell off the end of those that do.
    """
    found: dict[int, list[int]] = {}
    missing: WordNotFoundError | None = None
    for number, prompt in prompts.items():
        try:
            found[number] = token_positions(prompt.named(text))
        except WordNotFoundError as error:
            missing = missing or error
    if missing is not None and not found:
        raise missing
    if not any(found.values()):
        raise WordNotFoundError(f"{text!r} fell off the end of the prompt: shorten the prompt.")
    return found
