"""A run written out: the loop, attention by softmax, and room for a formula; no crossattn in it."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class WrittenOut:
    """A guided run of Stable Diffusion, from the noise that `tiny_pictures.run` begins with.

    Subclasses write a formula: `attend` for a layer's attention, `before` and `after` for the
    latents of a step. The rows of a batch are the negative ones of all prompts, then the positive.
    """

    guidance = 4.0

    def __init__(self, pipe: Any, prompts: str | Sequence[str], steps: int, size: int = 64) -> None:
        self.unet, self.scheduler = copy.deepcopy(pipe.unet), copy.deepcopy(pipe.scheduler)
        self.unet.set_attn_processor(
            {name: _Attention(self, name) for name in self.unet.attn_processors}
        )
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        self.prompts = len(texts)
        positive, negative = pipe.encode_prompt(texts, "cpu", 1, True)
        self.text = torch.cat([negative, positive])
        self.steps, self.step, self.side = steps, 0, size // 8

    def attend(self, layer: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """The result of an attention layer of (rows, heads, pixels or tokens, width)."""
        return softmax(query, key) @ value

    def before(self, latents: Tensor) -> Tensor:
        """The latents that a step begins with: (prompts, 4, height, width)."""
        return latents

    def after(self, latents: Tensor) -> Tensor:
        """The latents that a step ends with."""
        return latents

    @property
    def sigma(self) -> float:
        """The noise of the present step over its signal."""
        alpha = float(self.scheduler.alphas_cumprod[self.scheduler.timesteps[self.step]])
        return float(((1 - alpha) / alpha) ** 0.5)

    @torch.no_grad()
    def latents(self) -> Tensor:
        """The latents that the run ends with."""
        shape = 1, 4, self.side, self.side
        noise = torch.randn(
            shape, generator=torch.Generator().manual_seed(3), dtype=self.text.dtype
        )
        self.scheduler.set_timesteps(self.steps)
        latents = noise.repeat(self.prompts, 1, 1, 1)
        for step, timestep in enumerate(self.scheduler.timesteps):
            self.step = step
            latents = self.before(latents)
            both = torch.cat([latents, latents])
            sides = self.unet(both, timestep, encoder_hidden_states=self.text).sample
            negative, positive = sides.chunk(2)
            guided = negative + self.guidance * (positive - negative)
            latents = self.after(self.scheduler.step(guided, timestep, latents).prev_sample)
        return latents


class _Attention:
    """The host's attention processor, written out."""

    def __init__(self, run: WrittenOut, name: str) -> None:
        self.run, self.name = run, name

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
    ) -> Tensor:
        seen = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        parts = attn.to_q(hidden_states), attn.to_k(seen), attn.to_v(seen)
        heads = [part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in parts]
        result = self.run.attend(self.name, *heads).transpose(1, 2).flatten(2)
        out: Tensor = attn.to_out[0](result)
        return out


def softmax(query: Tensor, key: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """softmax(q·k / √d + bias): (rows, heads, pixels, tokens)."""
    return (query @ key.mT / query.shape[-1] ** 0.5 + bias).softmax(-1)


def is_cross(key: Tensor) -> bool:
    """Whether a layer attends to the text."""
    return key.shape[2] == 77
