"""The denoiser and its text encoder, trained together on latents of scenes and their captions."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from crossattn.pipelines.emoji_sd.autoencoder import CHANNELS
from crossattn.pipelines.emoji_sd.captions import Caption
from crossattn.pipelines.emoji_sd.checkpoint import seeded
from crossattn.pipelines.emoji_sd.device import autocast, compile_blocks, device_of
from crossattn.pipelines.emoji_sd.latents import (
    GRID,
    LatentPool,
    captions_of,
    weight_of_objects,
)
from crossattn.pipelines.emoji_sd.scenes import SIDE, Scene
from crossattn.pipelines.emoji_sd.tokenizer import tokenize

PLACE_WEIGHT: Final = 0.2


def make_scheduler() -> DDIMScheduler:
    """DDIM for velocity prediction with a schedule that ends in pure noise (Lin et al., 2023)."""
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        steps_offset=1,
        timestep_spacing="trailing",
    )


class Denoiser(nn.Module):
    """A UNet on 16×16 latents with cross-attention at 16×16 and 8×8, and its text encoder."""

    def __init__(
        self, tokenizer: CLIPTokenizer, widths: tuple[int, ...] = (128, 192), text_width: int = 192
    ) -> None:
        super().__init__()
        self.unet = UNet2DConditionModel(
            sample_size=GRID,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
            down_block_types=("CrossAttnDownBlock2D",) * len(widths),
            up_block_types=("CrossAttnUpBlock2D",) * len(widths),
            block_out_channels=widths,
            layers_per_block=1,
            cross_attention_dim=text_width,
            attention_head_dim=4,
            norm_num_groups=8,
        ).to(memory_format=torch.channels_last)
        # On the CPU the backward of plain attention is several times faster than the fused one's.
        self.unet.set_attn_processor(AttnProcessor())
        self.text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=text_width,
                intermediate_size=4 * text_width,
                projection_dim=text_width,
                num_hidden_layers=3,
                num_attention_heads=4,
                max_position_embeddings=tokenizer.model_max_length,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                attn_implementation="eager",
            )
        )

    def hasten(self) -> None:
        """Make it ready for a GPU: fused attention, and the block that repeats compiled."""
        self.unet.set_attn_processor(AttnProcessor2_0())
        compile_blocks(self.unet, "BasicTransformerBlock")


class DenoiserLoss:
    """The loss of each training step: velocity prediction, more where objects are at first, and
    what the words know of the places of their objects.

    Timesteps come from a logit-normal (Esser et al., 2024), a tenth of the captions is empty, and
    the weight of the objects falls to nothing over the first `focus` samples. Where a caption
    states a relation, the first two numbers of each noun's embedding are asked to be the place of
    its object: the denoiser's own loss alone leaves the text encoder blind to word order.
    """

    def __init__(
        self, model: Denoiser, tokenizer: CLIPTokenizer, pool: LatentPool, focus: int
    ) -> None:
        self.model, self.tokenizer, self.pool, self.focus = model, tokenizer, pool, focus
        self.scheduler = make_scheduler()

    def __call__(self, step: int) -> Tensor:
        """The loss of a step as a scalar; a pure function of the weights and the step."""
        device = device_of(self.model)
        latents, cover, scenes = self.pool.batch(step)
        captions = captions_of(scenes, step)
        tokens = tokenize(self.tokenizer, [caption.text for caption in captions]).to(device)
        generator = seeded("denoiser", step)
        noise = torch.randn(latents.shape, generator=generator)
        normal = torch.randn(len(latents), generator=generator)
        timesteps = (torch.sigmoid(0.2 + 1.2 * normal) * 1000).long().clamp(0, 999)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        wanted = self.scheduler.get_velocity(latents, noise, timesteps).to(device)
        weight = weight_of_objects(cover, step * len(latents), self.focus).to(device)
        with autocast(device):
            noisy = noisy.to(device, memory_format=torch.channels_last)
            words = self.model.text(tokens).last_hidden_state
            velocity = self.model.unet(noisy, timesteps.to(device), words).sample
        drawn: Tensor = ((velocity.float() - wanted).square() * weight).mean() / weight.mean()
        return drawn + PLACE_WEIGHT * misplaced(self.tokenizer, words, captions, scenes)


def misplaced(
    tokenizer: CLIPTokenizer, words: Tensor, captions: list[Caption], scenes: list[Scene]
) -> Tensor:
    """The mean squared error, as a scalar, of the places that embeddings (batch, 77, width) of
    nouns give their objects, over the captions that state a relation.

    A place is the first two numbers of the embedding of the noun's last token, from -1 to 1 from
    left to right and from top to bottom.
    """
    rows, nouns, places = [], [], []
    for row, (caption, scene) in enumerate(zip(captions, scenes, strict=True)):
        if "relation" not in caption.spans:
            continue
        offsets = tokenizer(caption.text, return_offsets_mapping=True).offset_mapping
        ends = {end: index for index, (start, end) in enumerate(offsets) if end > start}
        for index, thing in enumerate(scene.things):
            rows.append(row)
            nouns.append(ends[caption.spans[f"object:{index}"][1]])
            places.append((2 * thing.x / SIDE - 1, 2 * thing.y / SIDE - 1))
    if not rows:
        return words.new_zeros(())
    wanted = torch.tensor(places).to(words.device)
    return F.mse_loss(words[rows, nouns, :2].float(), wanted)
