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


CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    "{% if not enable_thinking %}<think>\n{% endif %}"
)
"""A template of the kind that Qwen's tokenizers come with."""


def _merged(
    words: tuple[str, ...], letters: list[str]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary of letters and whole words, and the merges that make the words."""
    pieces, merges = list(letters), []
    for word in words:
        symbols = list(word)
        while len(symbols) > 1:
            merge = (symbols[0], symbols[1])
            symbols[:2] = ["".join(merge)]
            if merge not in merges:
                merges.append(merge)
                pieces.append(symbols[0])
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, merges


def qwen_tokenizer(length: int = 256) -> Any:
    """Qwen's, of bytes: no start token and no end token, but marks of who speaks."""
    from transformers import Qwen2TokenizerFast

    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
    vocab, merges = _merged(tuple(f"Ġ{word}" for word in (*WORDS, "ball")), letters)
    tokenizer = Qwen2TokenizerFast(vocab=vocab, merges=merges, model_max_length=length)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "pad_token": "<|endoftext|>"}
    )
    tokenizer.chat_template = CHAT
    return tokenizer


def gemma_tokenizer(length: int = 256) -> Any:
    """Gemma's, of pieces: a start token and no end token."""
    from transformers import GemmaTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    letters = [letter for letter in string.printable if letter.isprintable() and letter != " "]
    vocab, merges = _merged(
        tuple(f"▁{word}" for word in (*WORDS, "ball")), [*special, "▁", "\n", *letters]
    )
    return GemmaTokenizerFast(
        vocab=vocab,
        merges=merges,
        model_max_length=length,
        padding_side="right",
        add_bos_token=True,
    )


def language_model(kind: str, tokenizer: Any, width: int, layers: int = 2) -> Any:
    """A tiny language model as text encoder: "Qwen2", "Qwen3" or "Gemma2"."""
    import transformers

    torch.manual_seed(4)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=None,
    )
    encoder = getattr(transformers, f"{kind}Model")(config).eval()
    with torch.no_grad():
        for name, weights in encoder.named_parameters():
            if "embed_tokens" in name:
                weights.mul_(20)
    return encoder
