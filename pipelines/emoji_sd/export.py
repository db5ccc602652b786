"""Writing the trained parts as an ordinary diffusers folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, StableDiffusionPipeline
from transformers import CLIPTokenizer

from crossattn.pipelines.emoji_sd.denoiser import Denoiser, make_scheduler


def assemble(
    autoencoder: AutoencoderKL, denoiser: Denoiser, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    """The parts as one pipeline, silent, in evaluation mode, sharing their weights."""
    pipeline = StableDiffusionPipeline(
        vae=autoencoder.eval(),
        text_encoder=denoiser.text.eval(),
        tokenizer=tokenizer,
        unet=denoiser.unet.eval(),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def export(pipeline: DiffusionPipeline, out: Path, tokenizer_files: Path | None = None) -> None:
    """Write a pipeline's folder in half precision, replacing an older one at once.

    Everything else in the old folder (the model card, its pictures, the judge) is kept. The
    pipeline's own weights are rounded as the written ones are. `tokenizer_files` is a folder with
    the vocab.json and merges.txt that older readers want.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    if out.exists():
        shutil.copytree(out, beside)
    pipeline.to(torch.float16).save_pretrained(beside, safe_serialization=True)
    pipeline.to(torch.float32)
    # Without this, transformers would load the text encoders in half precision, alone of all.
    for text_config in beside.glob("text_encoder*/config.json"):
        settings = json.loads(text_config.read_text(encoding="utf-8")) | {"dtype": "float32"}
        text_config.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    if tokenizer_files is not None:
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(tokenizer_files / name, beside / "tokenizer" / name)
    older = beside.with_name(beside.name + ".old")
    if out.exists():
        out.rename(older)
    beside.rename(out)
    shutil.rmtree(older, ignore_errors=True)
