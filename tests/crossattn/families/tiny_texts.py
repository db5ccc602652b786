"""Tokenizers made in memory, as the text encoders of transformers have them, and tiny encoders."""

import string
from typing import Any

import torch

WORDS = ("red", "car", "blue", "grass", "dog", "left", "of", "on", "a")
"""Words that are one token each; any other takes several."""


def t5_tokenizer(length: int = 64) -> Any:
    """T5's, of pieces: no start token, and an end token."""
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS] + [("▁ball", -4.0), ("oon", -4.0)]
    pieces += [(letter, -8.0) for letter in string.printable if not letter.isspace()]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=length)


def t5_encoder(tokenizer: Any, width: int) -> Any:
    """A tiny T5 encoder whose tokens differ."""
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(1)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=8,
        d_ff=16,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        dense_act_fn="gelu_new",
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()


def clip_encoder(tokenizer: Any, width: int, seed: int = 2, pooled: bool = True) -> Any:
    """A tiny CLIP text encoder whose tokens differ, with a projection where one is pooled."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(seed)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config).eval()
    with torch.no_grad():
        for name, weights in encoder.named_parameters():
            if "token_embedding" in name:
                weights.mul_(20)
    return encoder
