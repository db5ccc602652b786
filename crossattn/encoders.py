"""A pipeline's text encoders, by the names that people see, and prompts read as they read them."""

from collections.abc import Sequence
from typing import Any

from crossattn.errors import ControlError
from crossattn.words import Prompt, read_prompt

Prompts = str | Prompt | Sequence[str | Prompt]

# The parts of a pipeline that each name stands for.
TOKENIZERS = {"clip": "tokenizer", "clip-2": "tokenizer_2"}
TEXT_ENCODERS = {"clip": "text_encoder", "clip-2": "text_encoder_2"}


def tokenizers_of(pipe: Any) -> dict[str, Any]:
    """A pipeline's tokenizers; none of a bare model."""
    found = {name: getattr(pipe, part, None) for name, part in TOKENIZERS.items()}
    return {name: tokenizer for name, tokenizer in found.items() if tokenizer is not None}


def read_prompts(prompts: Prompts | None, pipe: Any) -> tuple[Prompt, ...]:
    """Prompts as the pipeline's tokenizers read them, a text as it stands, one read already kept.

    Raises `ControlError` for a text where there is no tokenizer.
    """
    if prompts is None:
        return ()
    tokenizers = tokenizers_of(pipe)
    listed = [prompts] if isinstance(prompts, (str, Prompt)) else prompts
    read = tuple(
        p if isinstance(p, Prompt) else read_prompt(p, tokenizers, syntax=False) for p in listed
    )
    if not all(prompt.encodings for prompt in read):
        raise ControlError(
            "Words are found by a pipeline's tokenizers, and a bare model has none: attach to the "
            "pipeline, or give prompts that read_prompt made with its tokenizers."
        )
    return read
