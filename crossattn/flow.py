"""How words mix inside the text encoder, which is why a word's map leaks into others'."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.overrides import TorchFunctionMode

from crossattn.encoders import TEXT_ENCODERS
from crossattn.errors import ControlError, UnsupportedModelError
from crossattn.mechanisms import attend
from crossattn.words import Prompt


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
        return torch.stack([rows[:, each].sum(-1) for each in ([0], *owned)], -1)

    @property
    def read(self) -> tuple[int, ...]:
        """The positions in `prompt.words` of the words that the encoder has read."""
        return tuple(word for word in range(len(self.prompt.words)) if self._tokens(word))

    def _tokens(self, word: int) -> tuple[int, ...]:
        names = [encoding.name for encoding in self.prompt.encodings]
        return self.prompt.words[word].tokens[names.index(self.encoder)]


def read_flows(pipe: Any, prompts: Sequence[Prompt]) -> tuple[Flow, ...]:
    """The flow of each prompt in each of a pipeline's text encoders, prompt by prompt.

    Raises `ControlError` where there is no prompt or no text encoder to read.
    """
    # SDXL's denoiser is given what comes before the last layer.
    unused = 1 if getattr(pipe, "text_encoder_2", None) is not None else 0
    encoders = {name: getattr(pipe, part, None) for name, part in TEXT_ENCODERS.items()}
    flows = tuple(
        read_flow(encoding.name, encoders[encoding.name], prompt, unused_layers=unused)
        for prompt in prompts
        for encoding in prompt.encodings
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
    listener = _Listener()
    with listener:
        text_encoder(ids)
    if not listener.weights:
        raise UnsupportedModelError(
            f"{type(text_encoder).__name__} does not call scaled_dot_product_attention, so its "
            'attention cannot be read; load it with attn_implementation="sdpa".'
        )
    used = listener.weights[: len(listener.weights) - unused_layers]
    return Flow(name, prompt, torch.stack(used).cpu())


class _Listener(TorchFunctionMode):
    """Keeps the weights (heads, tokens, tokens) of every attention of a text encoder's one row."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            self._listen(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _listen(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **options: Any,
    ) -> None:
        length = query.shape[-2]
        mask = None
        if is_causal:
            mask = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
        elif attn_mask is not None:
            mask = attn_mask if attn_mask.dtype == torch.bool else attn_mask == 0
        # `attend` divides by √d; another scale is folded into the queries.
        adjusted = query if scale is None else query * (scale * query.shape[-1] ** 0.5)
        _, weights = attend(adjusted.float(), key.float(), value.float(), mask=mask)
        self.weights.append(weights[0])
