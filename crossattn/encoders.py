"""A pipeline's text encoders, and prompts read as they read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossattn.denoiser import family_of, find_denoiser
from crossattn.errors import ControlError, UnsupportedModelError
from crossattn.families import FAMILIES
from crossattn.family import Encoder
from crossattn.word_spans import quoted
from crossattn.word_tokens import TextReader
from crossattn.words import Prompt, read_prompt

if TYPE_CHECKING:
    from torch.nn import Module

Prompts = str | Prompt | Sequence[str | Prompt]


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder of a pipeline: its family's record, and the pipeline's parts for it.

    `module` is None where the pipeline has the tokenizer alone; `reader` says how it reads a text,
    `negative` how it reads a negative prompt.
    """

    kind: Encoder
    module: "Module | None"
    reader: TextReader
    negative: TextReader

    @property
    def name(self) -> str:
        """The name that people see."""
        return self.kind.name

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""
        return self.reader.tokenizer

    @property
    def limit(self) -> int:
        """The length of its sequence in tokens."""
        limit = self.reader.limit
        return self.tokenizer.model_max_length if limit is None else limit


def text_encoders(pipe: Any) -> tuple[TextEncoder, ...]:
    """A pipeline's text encoders, in the order of its family; none of a bare model."""
    try:
        kinds = family_of(find_denoiser(pipe)[0]).encoders
    except UnsupportedModelError:
        kinds = FAMILIES[0].encoders
    return encoders_of(pipe, kinds)


def encoders_of(pipe: Any, kinds: Sequence[Encoder]) -> tuple[TextEncoder, ...]:
    """The text encoders of those kinds that a pipeline has; of its tokenizers if it has no more."""
    loaded = any(getattr(pipe, kind.module, None) is not None for kind in kinds)
    found: dict[str, TextEncoder] = {}
    for kind in kinds:
        tokenizer, module = (getattr(pipe, part, None) for part in (kind.tokenizer, kind.module))
        # A sequence behind others' is of zeros where its encoder is left out (SD3 without T5).
        if tokenizer is not None and (module is not None or not (loaded and kind.behind)):
            first = found.get(kind.behind or "")
            readers = (
                kind.reader(pipe, first.limit if first else 0, negative=negative)
                for negative in (False, True)
            )
            found[kind.name] = TextEncoder(kind, module, *readers)
    return tuple(found.values())


def tokenizers_of(pipe: Any) -> dict[str, TextReader]:
    """How a pipeline's encoders read a text, by their names; nothing of a bare model."""
    return {encoder.name: encoder.reader for encoder in text_encoders(pipe)}


def read_as(encoders: Sequence[TextEncoder], text: str, *, negative: bool = False) -> Prompt:
    """A text as it stands, as those encoders read it.

    Warns with `PromptCutWarning` when words fall off.
    """
    readers = {each.name: each.negative if negative else each.reader for each in encoders}
    return read_prompt(text, readers, syntax=False)


def read_again(
    encoders: Sequence[TextEncoder], prompt: Prompt, limits: Mapping[str, int]
) -> Prompt:
    """A prompt read before, in sequences of other lengths in tokens; its weights are kept."""
    return read_prompt(
        prompt.raw,
        {each.name: each.reader for each in encoders},
        limits,
        syntax=prompt.raw != prompt.text,
        dialect=prompt.dialect,
    )


def fitted(prompt: Prompt, encoders: Sequence[TextEncoder], tokens: int) -> Prompt:
    """A prompt as it stands in a text of that many tokens, read again if it was not so read.

    Embeddings of several stretches (75 tokens, each between a start and an end token) hold the
    words that one stretch cuts off, and pipelines may be asked for a longer or shorter sequence.
    Raises `ControlError` where words have no known place.
    """
    last = prompt.encodings[-1]
    given = tokens - last.offset
    own = next((each for each in encoders if each.name == last.name), None)
    if own is not None and own.kind.length and not own.reader.left and given > 0:
        longer = prompt.dropped and given > last.limit
        if longer or len(last.tokens) > given:
            return read_again(encoders, prompt, {last.name: given})
        return prompt
    if prompt.length > tokens:
        raise ControlError(
            f"The model is given {tokens} text tokens, too few for {quoted(prompt.text)}: attach "
            "was told another prompt, or the pipeline cuts it shorter."
        )
    limit = prompt.encodings[0].limit
    if not prompt.dropped or tokens == limit:
        return prompt
    if tokens % limit or prompt.encodings[0].start is None or not encoders:
        raise ControlError(
            f"The model is given {tokens} text tokens where its tokenizer makes {limit}, so words "
            "have no known place; attach without prompt= and ask the trace by token."
        )
    return read_again(encoders, prompt, {each.name: tokens for each in encoders})


def read_prompts(
    prompts: Prompts | None, encoders: Sequence[TextEncoder], *, negative: bool = False
) -> tuple[Prompt, ...]:
    """Prompts as a pipeline's encoders read them, a text as it stands, one read already kept.

    Raises `ControlError` for a text where there is no tokenizer, and for what is not a text.
    """
    if prompts is None:
        return ()
    listed: Any = [prompts] if isinstance(prompts, (str, Prompt)) else prompts
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
    return tuple(
        p if isinstance(p, Prompt) else read_as(encoders, p, negative=negative) for p in listed
    )
