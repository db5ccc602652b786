"""The joint-attention denoiser and its two text encoders, trained together as a rectified flow."""

from __future__ import annotations

from typing import Final

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from crossattn.pipelines.emoji_sd.autoencoder import CHANNELS
from crossattn.pipelines.emoji_sd.checkpoint import seeded
from crossattn.pipelines.emoji_sd.device import autocast, compile_blocks, device_of
from crossattn.pipelines.emoji_sd.latents import (
    GRID,
    LatentPool,
    captions_of,
    weight_of_objects,
)
from crossattn.pipelines.emoji_sd.tokenizer import tokenize

HEAD: Final = 32
SILENT: Final = 16
"""Tokens of zeros in the place of a third text encoder's."""
MANY_SILENT: Final = 256
"""As many as other tools put there when they are not asked; every 24th step learns with them."""


def make_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Euler's steps along the flow, more of them where it is noisy (Esser et al., 2024)."""
    return FlowMatchEulerDiscreteScheduler(shift=2.0)


class JointDenoiser(nn.Module):
    """A transformer on 16×16 latents and the words, one token a cell, and its text encoders.

    `width` is the transformer's; the encoders have three quarters and one quarter of it.
    """

    def __init__(self, tokenizer: CLIPTokenizer, width: int = 256, layers: int = 6) -> None:
        super().__init__()
        self.transformer = SD3Transformer2DModel(
            sample_size=GRID,
            patch_size=1,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            num_layers=layers,
            attention_head_dim=HEAD,
            num_attention_heads=width // HEAD,
            joint_attention_dim=width,
            caption_projection_dim=width,
            pooled_projection_dim=width,
            pos_embed_max_size=2 * GRID,
            qk_norm="rms_norm",
        )
        self.text_encoder = _text_encoder(tokenizer, width * 3 // 4, width // 2, layers=4, heads=4)
        self.text_encoder_2 = _text_encoder(tokenizer, width // 4, width // 2, layers=2, heads=2)
        # Every block begins as the identity, and the whole as no movement (adaLN-zero).
        for name, weight in self.transformer.named_parameters():
            modulates = ("norm1" in name or "norm_out" in name) and "linear" in name
            if modulates or name.startswith("proj_out"):
                nn.init.zeros_(weight)

    def forward(self, latents: Tensor, sigmas: Tensor, tokens: Tensor, silent: int) -> Tensor:
        """The velocity (batch, 8, 16, 16) of noisy latents at noise levels (batch) of 0 to 1, for
        token numbers (batch, 77) followed by `silent` tokens of zeros."""
        first = self.text_encoder(tokens, output_hidden_states=True)
        second = self.text_encoder_2(tokens, output_hidden_states=True)
        words = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        zeros = words.new_zeros(len(words), silent, words.shape[-1])
        velocity: Tensor = self.transformer(
            hidden_states=latents,
            timestep=sigmas * 1000,
            encoder_hidden_states=torch.cat([words, zeros], dim=1),
            pooled_projections=torch.cat([first.text_embeds, second.text_embeds], dim=-1),
        ).sample
        return velocity

    def hasten(self) -> None:
        """Make it ready for a GPU: the block that repeats is compiled."""
        compile_blocks(self.transformer, "JointTransformerBlock")


def _text_encoder(
    tokenizer: CLIPTokenizer, width: int, projection: int, layers: int, heads: int
) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            projection_dim=projection,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


class FlowLoss:
    """The loss of each training step: the velocity from picture to noise, more where objects are
    at first.

    Noise levels come from a logit-normal (Esser et al., 2024), and the weight of the objects falls
    to nothing over the first `focus` samples. Nouns need not be taught the places of their objects
    here: joint attention learned relations alone.
    """

    def __init__(
        self, model: JointDenoiser, tokenizer: CLIPTokenizer, pool: LatentPool, focus: int
    ) -> None:
        self.model, self.tokenizer, self.pool, self.focus = model, tokenizer, pool, focus

    def __call__(self, step: int) -> Tensor:
        """The loss of a step as a scalar; a pure function of the weights and the step."""
        device = device_of(self.model)
        latents, cover, scenes = self.pool.batch(step)
        captions = [caption.text for caption in captions_of(scenes, step)]
        tokens = tokenize(self.tokenizer, captions).to(device)
        generator = seeded("flow", step)
        noise = torch.randn(latents.shape, generator=generator)
        sigmas = torch.sigmoid(0.2 + 1.2 * torch.randn(len(latents), generator=generator))
        noisy = torch.lerp(latents, noise, sigmas[:, None, None, None]).to(device)
        wanted = (noise - latents).to(device)
        weight = weight_of_objects(cover, step * len(latents), self.focus).to(device)
        with autocast(device):
            silent = MANY_SILENT if step % 24 == 23 else SILENT
            velocity = self.model(noisy, sigmas.to(device), tokens, silent)
        error = (velocity.float() - wanted).square() * weight
        drawn: Tensor = error.mean() / weight.mean()
        return drawn
