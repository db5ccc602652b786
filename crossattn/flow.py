"""How words mix inside the text encoder, which is why a word's map leaks into others'."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crossattn.encoders import text_encoders
from crossattn.errors import ControlError, UnsupportedModelError
from crossattn.intercept import SdpaCall, intercepted, listener
from crossattn.mechanisms import attend
from crossattn.words import Encoding, Prompt


@dataclass(frozen=True)
class Flow:
    """One text encoder's self-attention over one prompt.

    `weights` (layers, heads, tokens, tokens), float32: how much each token (third axis) attends to
    each other one, over the start token, the prompt and the end token, in the layers that the
    denoiser is given the outcome of. No token attends to a later one.
    """

    encoder: str
    prompt: Prompt
    weights: Tensor

    def tokens(self) -> Tensor:
        """How much of each token's embedding came from each token: (tokens, tokens), rows sum to 1.

        Attention rollout (Abnar & Zuidema 2020): heads averaged, half of each layer's outcome
        taken to be its input, layers multiplied. An estimate: what the values and the feed-forward
        layers do is left out.
        """
        flow = torch.eye(self.weights.shape[-1])
        for layer in self.weights.mean(1):
            flow = (layer + torch.eye(len(layer))) / 2 @ flow
        return flow

    def words(self) -> Tensor:
        """The same by word: (words, 1 + words), first from the start token, then from each word.

        A word's row is the mean over its tokens; what came from tokens between the words is the
        rest to 1. Words that fell off the end have no row.
        """
        owned = [list(self._tokens(word)) for word in self.read]
        flow = self.tokens()
        rows = torch.stack([flow[tokens].mean(0) for tokens in owned])
        starts = [self.encoding.start] if self.encoding.start is not None else []
        return torch.stack([rows[:, each].sum(-1) for each in (starts, *owned)], -1)

    @property
    def read(self) -> tuple[int, ...]:
        """The positions in `prompt.words` of the words that the encoder has read."""
        return tuple(word for word in range(len(self.prompt.words)) if self._tokens(word))

    @property
    def encoding(self) -> Encoding:
        """What this encoder reads of the prompt."""
        return next(each for each in self.prompt.encodings if each.name == self.encoder)

    def _tokens(self, word: int) -> tuple[int, ...]:
        return self.prompt.words[word].tokens[self.prompt.encodings.index(self.encoding)]


def read_flows(pipe: Any, prompts: Sequence[Prompt]) -> tuple[Flow, ...]:
    """The flow of each prompt in each of a pipeline's text encoders, prompt by prompt.

    Raises `ControlError` where there is no prompt or no text encoder to read.
    """
    # SDXL's denoiser is given what comes before the last layer.
    modules = {encoder.name: encoder.module for encoder in text_encoders(pipe) if encoder.module}
    unused = 1 if "clip-2" in modules else 0
    flows = tuple(
        read_flow(encoding.name, modules[encoding.name], prompt, unused_layers=unused)
        for prompt in prompts
        for encoding in prompt.encodings
        if encoding.name in modules
    )
    if not flows:
        raise ControlError(
            "Reading the text encoder takes a pipeline with one and attach(..., prompt=...)."
        )
    return flows


@torch.no_grad()
def read_flow(name: str, text_encoder: Any, prompt: Prompt, *, unused_layers: int = 0) -> Flow:
    """Run `text_encoder` over the tokens of `prompt` that the encoding called `name` lists.

    `unused_layers` is the number of last layers whose outcome the denoiser is not given (SDXL: 1).
    Raises `UnsupportedModelError` if the encoder does not call `scaled_dot_product_attention`.
    """
    encoding = next(encoding for encoding in prompt.encodings if encoding.name == name)
    ids = torch.tensor([[token.id for token in encoding.tokens]], device=text_encoder.device)
    weights: list[Tensor] = []

    def listen(call: SdpaCall) -> Tensor:
        weights.append(_weights(call))
        output = call.run()
        listener.set(listen)
        return output

    with intercepted():
        token = listener.set(listen)
        try:
            text_encoder(ids)
        finally:
            listener.reset(token)
    if not weights:
        raise UnsupportedModelError(
            f"{type(text_encoder).__name__} does not call scaled_dot_product_attention, so its "
            'attention cannot be read; load it with attn_implementation="sdpa".'
        )
    used = weights[: len(weights) - unused_layers]
    return Flow(name, prompt, torch.stack(used).cpu())


def _weights(call: SdpaCall) -> Tensor:
    """The weights (heads, tokens, tokens) of an attention of one row."""
    query, mask = call.query, call.attn_mask
    if call.is_causal:
        length = query.shape[-2]
        mask = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    elif mask is not None and mask.dtype != torch.bool:
        mask = mask == 0
    # `attend` divides by √d; another scale is folded into the queries.
    if call.scale is not None:
        query = query * (call.scale * query.shape[-1] ** 0.5)
    return attend(query.float(), call.key.float(), call.value.float(), mask=mask)[1][0]
