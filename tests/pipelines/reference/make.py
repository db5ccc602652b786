"""Make numbers.json: what AUTOMATIC1111's code and compel make of prompts, by running them.

    PYTHONPATH=COMPEL python tests/pipelines/reference/make.py FOLDER

COMPEL is where compel 2.5.1 is installed (with pyparsing). FOLDER holds classic_engine.py,
emphasis.py and parsing.py, the text processing of AUTOMATIC1111's web UI as ComfyUI_smZNodes
carries it (commit 9562d76, modules/text_processing); nothing of it is kept here. The tokenizer and
the text encoder are the tiny ones of the tests. Kept of each token's embedding is one number, its
product with a wave.
"""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
from conftest import steady_encoder, tiny_tokenizer  # noqa: E402

COMMON = (
    "a cat",
    "",
    "a red car left of a blue balloon on grass",
    "a dog, the cat; and a car. on grass",
    "a red-haired cat's balloon - 100%!",
    r"a cat \(left\) on grass",
    "猫 and a dog",
    "a cat :) and a dog",
    "red " * 74 + "cat",
    "red " * 75 + "cat",
    "red " * 80 + "car",
    "a red car on grass, the dog and the cat, " * 8 + "a blue car",
    "a red car on grass. the dog and the cat. " * 9 + "a blue car",
    "balloon " * 40 + "cat",
    "red " * 160 + "dog",
)
A1111 = (
    "(cat)",
    "((cat))",
    "a (red) car",
    "a (red:1.3) car",
    "a ((red:1.3)) car",
    "a [red] car",
    "a [[red]] car",
    "a ([red]) car",
    "(a (cat:1.5) on grass:1.2)",
    "(a [dog] and (cat), the car:1.4) on grass",
    "a (cat:0) on grass",
    "a (cat:.5) on grass",
    "a (cat : 1.2 ) on grass",
    "(red, blue, the cat:1.3), a dog",
    "a red (balloon:1.5)",
    r"(a cat \(left\):1.2) on grass",
    "a cat++ on grass-",
    "(the cat) 1 dog",
    "a cat BREAK a dog",
    "a (cat:1.3) BREAK a (dog:0.7)",
    "a cat, BREAK\n the dog BREAK grass",
    "BREAK a cat BREAK BREAK a dog",
    "red " * 70 + "(a cat, the dog:1.4) BREAK " + "blue " * 70 + "[car]",
    "(a red car on grass, the dog and the cat, :1.2)" * 8 + "a (blue car:0.6)",
    "a cat, " * 18 + "(red " * 10 + "dog" + ")" * 10,
    "the cat," * 30,
)
COMPEL = (
    "(cat)",
    "((cat))",
    "a cat++",
    "a cat+ on grass",
    "a cat-- on grass",
    "a (red car)++ on grass",
    "a (red car)1.3 on grass",
    "a (red car)0.6 on grass",
    "a (red (car)1.5)0.8 on grass",
    "a red car on (grass)0",
    "(a cat on grass)1.2",
    "a (cat)0.5 and a (dog)0.7",
    "a (cat)1.4 and a dog-",
    "(a cat, the dog)1.3 on grass",
    "(a cat+ on grass)-",
    r"a cat \(left\) on (grass)+",
    "[cat] on grass",
    "a red+ blue- car++ dog--",
    "a (balloon)1.5 and a (balloon)0.5",
    "the cat, (red)1.1, (blue)0.9, (grass)1.2",
    "a (red car on grass, the dog)1.2 " * 6 + "a (blue car)1.4",
    "a red car on grass. (the dog)1.3 and the cat. " * 9 + "a blue car+",
    "red " * 40 + "(blue car)0.5 " + "red " * 60 + "dog+",
    "a " * 100 + "(cat)0",
    "(balloon)1.2 " * 30,
    "a (cat)1.0 on grass",
)


def projection(width: int) -> torch.Tensor:
    return torch.arange(width, dtype=torch.float32).mul(0.9).cos()


def kept(embeds: torch.Tensor) -> list[float]:
    """One number for each token of (tokens, channels)."""
    return [round(value, 4) for value in (embeds @ projection(embeds.shape[-1])).tolist()]


def a1111(folder: Path, tokenizer: Any, encoder: Any) -> Any:
    """A function from a prompt to its embeddings (tokens, channels)."""
    package = ModuleType("a1111")
    package.__path__ = [str(folder)]  # type: ignore[attr-defined]
    sys.modules |= {
        "a1111": package,
        "comfy": MagicMock(),
        "a1111.textual_inversion": MagicMock(),
    }
    sys.modules["a1111.prompt_parser"] = importlib.import_module("a1111.parsing")
    engine_of = importlib.import_module("a1111.classic_engine")
    engine = object.__new__(engine_of.ClassicTextProcessingEngine)
    engine.chunk_length = 75
    engine.tokenizer = tokenizer
    engine.id_start, engine.id_end = tokenizer.bos_token_id, tokenizer.eos_token_id
    engine.id_pad = tokenizer.pad_token_id
    engine.comma_token = tokenizer.get_vocab()[",</w>"]
    engine.embeddings = SimpleNamespace(find_embedding_at_position=lambda *_: (None, None))
    engine.emphasis = importlib.import_module("a1111.emphasis").EmphasisOriginal()
    engine.encode_with_transformers = lambda ids: encoder(ids)[0]

    def embed(prompt: str) -> torch.Tensor:
        chunks, _ = engine.tokenize_line(prompt)
        parts = [engine.process_tokens([each.tokens], [each.multipliers])[0] for each in chunks]
        return torch.cat(parts)

    return embed


def compel(tokenizer: Any, encoder: Any) -> Any:
    """A function from a prompt to its embeddings (tokens, channels)."""
    from compel import Compel

    made = Compel(tokenizer=tokenizer, text_encoder=encoder, truncate_long_prompts=False)
    return lambda prompt: made(prompt)[0]


def main() -> None:
    tokenizer = tiny_tokenizer()
    encoder = steady_encoder(tokenizer)
    embeds = {
        "a1111": (a1111(Path(sys.argv[1]), tokenizer, encoder), COMMON + A1111),
        "compel": (compel(tokenizer, encoder), COMMON + COMPEL),
    }
    with torch.no_grad():
        numbers = {
            name: {prompt: kept(embed(prompt)) for prompt in prompts}
            for name, (embed, prompts) in embeds.items()
        }
    lines = (
        f'"{name}": {{\n'
        + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in by.items())
        + "\n}"
        for name, by in numbers.items()
    )
    (HERE / "numbers.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
