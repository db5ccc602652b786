"""Texts as a pipeline's own call takes them: its arguments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from crossattn.pipelines.called import CALLS, NEGATIVE, PROMPT
from crossattn.pipelines.denoise import Conditioning

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline
    from crossattn.words import Prompt


@dataclass(frozen=True)
class CallText(Conditioning):
    """What the text says, as the arguments that a pipeline's call is `given`.

    `embeds` are the prompt's row alone: (1, tokens, channels).
    """

    given: Mapping[str, Any] = field(default_factory=dict)

    def rows(self, prompt: "Prompt", negative: "Prompt") -> Iterator[tuple[str, Tensor, "Prompt"]]:
        """Each side's argument, its embeddings (tokens, channels), and the prompt it holds."""
        for name, said in ((PROMPT, prompt), (NEGATIVE, negative)):
            if name in self.given:
                yield name, self.given[name][0], said

    def with_row(self, name: str, row: Tensor) -> "CallText":
        """The same with other embeddings (tokens, channels) in one argument."""
        value = [row] if isinstance(self.given[name], list) else row[None]
        return replace(self, given={**self.given, name: value})


@torch.no_grad()
def encode_call(pipe: "Pipeline", prompt: str, negative: str, guidance: float) -> CallText:
    """Encode the texts; a blank negative prompt is the pipeline's own idea of none."""
    call = CALLS[type(pipe).__name__]
    guided = guidance > 1 and not call.distilled
    said = negative if negative.strip() else call.blank
    made = call.encode(pipe, prompt, said, guided)
    embeds = pad_sequence(list(made[PROMPT]), batch_first=True)
    for name in [
        name for name, value in made.items() if value is None and name.endswith("_embeds_mask")
    ]:
        # Nothing is masked, which its call wants to be told.
        made[name] = torch.ones(made[name.removesuffix("_mask")].shape[:2], device=embeds.device)
    given = {name: value for name, value in made.items() if value is not None and len(value)}
    return CallText(embeds, None, guided, given=given)
