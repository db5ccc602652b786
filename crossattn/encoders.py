"""A pipeline's text encoders, and prompts read as they read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossattn.errors import ControlError, UnsupportedModelError
from crossattn.family import FAMILIES, Encoder, family_of, find_denoiser
from crossattn.words import Prompt, read_prompt

if TYPE_CHECKING:
    from torch.nn import Module

Prompts = str | Prompt | Sequence[str | Prompt]


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder of a pipeline: its family's record, and the pipeline's parts for it.

    `module` is None where the pipeline has the tokenizer alone; `limit` is the length of its
    sequence in tokens.
    """

    kind: Encoder
    tokenizer: Any
    module: "Module | None"
    limit: int

    @property
    def name(self) -> str:
        """The name that people see."""
        return self.kind.name


def text_encoders(pipe: Any) -> tuple[TextEncoder, ...]:
    """A pipeline's text encoders, in the order of its family; none of a bare model."""
    try:
        kinds = family_of(find_denoiser(pipe)[0]).encoders
    except UnsupportedModelError:
        kinds = FAMILIES[0].encoders
    return tuple(
        TextEncoder(kind, tokenizer, getattr(pipe, kind.module, None), kind.limit(pipe))
        for kind in kinds
        if (tokenizer := getattr(pipe, kind.tokenizer, None)) is not None
    )


def tokenizers_of(pipe: Any) -> dict[str, Any]:
    """A pipeline's tokenizers by the names of its encoders; none of a bare model."""
    return {encoder.name: encoder.tokenizer for encoder in text_encoders(pipe)}


def read_as(encoders: Sequence[TextEncoder], text: str) -> Prompt:
    """A text as it stands, as those encoders read it.

    Warns with `PromptCutWarning` when words fall off.
    """
    prepare = encoders[0].kind.prepare
    return read_prompt(
        prepare(text),
        {encoder.name: encoder.tokenizer for encoder in encoders},
        {encoder.name: encoder.limit for encoder in encoders},
        syntax=False,
    )


def read_again(encoders: Sequence[TextEncoder], prompt: Prompt, limit: int) -> Prompt:
    """A prompt read before, in sequences of another length in tokens; its weights are kept."""
    return read_prompt(
        prompt.raw,
        {encoder.name: encoder.tokenizer for encoder in encoders},
        {encoder.name: limit for encoder in encoders},
        syntax=prompt.raw != prompt.text,
        dialect=prompt.dialect,
    )


def read_prompts(prompts: Prompts | None, encoders: Sequence[TextEncoder]) -> tuple[Prompt, ...]:
    """Prompts as a pipeline's encoders read them, a text as it stands, one read already kept.

    Raises `ControlError` for a text where there is no tokenizer, and for what is no text.
    """
    if prompts is None:
        return ()
    listed = [prompts] if isinstance(prompts, (str, Prompt)) else prompts
    if not isinstance(listed, Sequence) or isinstance(listed, bytes):
        raise ControlError(
            f"attach(prompt=...): expected a text, a Prompt or a list of them, got {prompts!r}."
        )
    for prompt in listed:
        if not isinstance(prompt, (str, Prompt)):
            raise ControlError(f"attach(prompt=...): expected a text or a Prompt, got {prompt!r}.")
        if not encoders and not (isinstance(prompt, Prompt) and prompt.encodings):
            raise ControlError(
                "Words are found by a pipeline's tokenizers, and a bare model has none: attach to "
                "the pipeline, or give prompts that read_prompt made with its tokenizers."
            )
        if isinstance(prompt, Prompt) and not prompt.encodings:
            raise ControlError(
                "A Prompt without tokens was given to attach: make it with read_prompt(text, "
                "tokenizers)."
            )
    return tuple(p if isinstance(p, Prompt) else read_as(encoders, p) for p in listed)
