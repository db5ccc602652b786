"""The denoiser and its text encoder, trained together on latents of scenes and their captions."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from crossattn.pipelines.emoji_sd.autoencoder import CHANNELS, autocast, encode, to_tensor
from crossattn.pipelines.emoji_sd.captions import Caption, describe
from crossattn.pipelines.emoji_sd.checkpoint import seeded
from crossattn.pipelines.emoji_sd.scenes import SIDE, Rendered, Scene, make_scene, render

GRID: Final = SIDE // 8
EMPTY_SHARE: Final = 0.1
OBJECT_WEIGHT: Final = 5.0
AREA: Final = 2000  # pixels of a picture, a little less than a big object has
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


class LatentPool:
    """The latents of the first `size` training scenes, each encoded when it is first asked for.

    They lie in one file, in half precision, so a later run need not encode them again. Past the
    pool's end the scenes come round again, worded anew.
    """

    def __init__(self, path: Path, autoencoder: AutoencoderKL, size: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (size, CHANNELS, GRID, GRID)
        self._latents = np.memmap(path, np.float16, "r+" if path.exists() else "w+", shape=shape)
        self._autoencoder = autoencoder.eval().requires_grad_(False)
        self._size = size

    def batch(self, first: int, count: int) -> tuple[Tensor, Tensor, list[Scene]]:
        """Latents (count, 8, 16, 16), how much of each cell objects cover (count, 1, 16, 16), and
        scenes to caption, of the samples first, first + 1, ..."""
        rounds, start = divmod(first, self._size)
        slots = [(start + i) % self._size for i in range(count)]
        drawn = [make_scene(slot) for slot in slots]
        rendered = [render(scene) for scene in drawn]
        # A scene whose latent is all zeros has not been encoded yet.
        if not self._latents[slots].any(axis=(1, 2, 3)).all():
            pictures = to_tensor(np.stack([one.pixels for one in rendered]))
            with autocast(), torch.no_grad():
                self._latents[slots] = encode(self._autoencoder, pictures).float().numpy()
        cover = torch.stack([cover_of_objects(one) for one in rendered])
        latents = torch.from_numpy(self._latents[slots].astype(np.float32))
        return latents, cover, [replace(s, wording=s.wording + rounds) for s in drawn]


def cover_of_objects(scene: Rendered) -> Tensor:
    """The share of each latent cell that objects cover, (1, 16, 16), an object of less than
    `AREA` pixels counting for as much as one of that area: what is small is no less asked for."""
    masks = torch.from_numpy(scene.masks)
    weights = (AREA / masks.sum((1, 2)).clamp(min=1)).clamp(min=1)
    return F.avg_pool2d((masks * weights[:, None, None]).sum(0, keepdim=True), SIDE // GRID)


class DenoiserLoss:
    """The loss of each training step: velocity prediction, more where objects are at first, and
    what the words know of the places of their objects.

    Timesteps come from a logit-normal (Esser et al., 2024), a tenth of the captions is empty, and
    the weight of the objects falls to nothing over the first `focus` samples. Where a caption
    states a relation, the first two numbers of each noun's embedding are asked to be the place of
    its object: the denoiser's own loss alone leaves the text encoder blind to word order.
    """

    def __init__(
        self, model: Denoiser, tokenizer: CLIPTokenizer, pool: LatentPool, batch: int, focus: int
    ) -> None:
        self.model, self.tokenizer, self.pool = model, tokenizer, pool
        self.batch, self.focus = batch, focus
        self.scheduler = make_scheduler()

    def __call__(self, step: int) -> Tensor:
        """The loss of a step as a scalar; a pure function of the weights and the step."""
        first = step * self.batch
        latents, cover, scenes = self.pool.batch(first, self.batch)
        rng = random.Random(f"captions {step}")
        captions = [
            Caption("", {}) if rng.random() < EMPTY_SHARE else describe(scene) for scene in scenes
        ]
        tokens = tokenize(self.tokenizer, [caption.text for caption in captions])
        generator = seeded("denoiser", step)
        noise = torch.randn(latents.shape, generator=generator)
        normal = torch.randn(self.batch, generator=generator)
        timesteps = (torch.sigmoid(0.2 + 1.2 * normal) * 1000).long().clamp(0, 999)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        wanted = self.scheduler.get_velocity(latents, noise, timesteps)
        weight = 1 + OBJECT_WEIGHT * max(0.0, 1 - first / self.focus) * cover
        with autocast():
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            words = self.model.text(tokens).last_hidden_state
            velocity = self.model.unet(noisy, timesteps, words).sample
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
    return F.mse_loss(words[rows, nouns, :2].float(), torch.tensor(places))


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token numbers (captions, 77), padded as the pipelines pad."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    tokens: Tensor = encoded.input_ids
    return tokens
