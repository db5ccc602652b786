"""Writing emoji-sd3 as a folder for any Stable Diffusion 3 tool, whole or not at all.

`python -m crossattn.pipelines.emoji_sd3.export FOLDER` writes the one that ships.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusion3Pipeline
from torch import nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from crossattn.pipelines.emoji_sd.export import export


def silent_t5(width: int) -> tuple[T5EncoderModel, T5Tokenizer]:
    """A third text encoder that says nothing, zeros (batch, tokens, width), and its tokenizer.

    Stable Diffusion 3 runs without one and puts zeros in its place, but its loader insists on one.
    """
    pieces = ("<pad>", "</s>", "<unk>", "▁")
    tokenizer = T5Tokenizer(vocab=[(piece, 0.0) for piece in pieces], extra_ids=0)
    size = {"d_model": width, "d_kv": 1, "d_ff": 1, "num_heads": 1, "num_layers": 0}
    encoder = T5EncoderModel(T5Config(vocab_size=len(tokenizer), **size))
    nn.init.zeros_(encoder.encoder.final_layer_norm.weight)
    return encoder.eval().requires_grad_(False), tokenizer


def export_whole(pipeline: StableDiffusion3Pipeline, out: Path) -> None:
    """Write a folder that `StableDiffusion3Pipeline.from_pretrained(out)` loads as it is."""
    encoder, tokenizer = silent_t5(pipeline.transformer.config.joint_attention_dim)
    parts = {**pipeline.components, "text_encoder_3": encoder, "tokenizer_3": tokenizer}
    export(StableDiffusion3Pipeline(**parts), out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the model that ships into the folder that the command line names."""
    from crossattn.pipelines.load import load

    parser = argparse.ArgumentParser(prog="export", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    folder = parser.parse_args(arguments).folder
    if folder.exists():
        parser.error(f"{folder} is there already: name another.")
    with torch.no_grad():
        export_whole(load("emoji-sd3", device="cpu"), folder)


if __name__ == "__main__":
    main()
