"""Make numbers.json: what google/prompt-to-prompt computes, by running its own code.

    python tests/crossattn/controls/reference/make.py FOLDER

FOLDER is a checkout of github.com/google/prompt-to-prompt (seq_aligner.py, ptp_utils.py and the
controllers in null_text_w_ptp.ipynb). Its tokenizer is the tiny one of the tests, which splits
"balloon" into several tokens and leaves "cat" whole.
"""

import abc
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import torch

HERE = Path(__file__).parent
CASES = (
    ("a photo of a cat", "a photo of a red cat"),
    ("dog", "the dog with on"),
    ("a cat and a dog", "a dog and a cat"),
    ("cat on a car", "balloon on a car"),
    ("balloon on a car", "cat on a car"),
    ("red car", "blue car"),
)
PROMPTS = ("a red cat on grass", "a red balloon on grass", "a blue dog on grass")
STEPS = 5
WINDOWS = {"default_": (0.0, 0.8), "balloon": (0.2, 0.6)}
WEIGHTS = {"grass": 2.0}


def random_probabilities(step: int) -> torch.Tensor:
    """(prompts, pixels, 77), one head, from a seed."""
    generator = torch.Generator().manual_seed(step)
    return (2 * torch.randn(len(PROMPTS), 2, 77, generator=generator)).softmax(-1)


def load(folder: Path, tokenizer: Any) -> dict[str, Any]:
    """The reference's classes, its imports for drawing stood in for."""
    for name in ("cv2", "IPython", "IPython.display", "tqdm.notebook"):
        sys.modules.setdefault(name, MagicMock(spec=ModuleType(name), display=None, tqdm=None))
    sys.path.insert(0, str(folder))
    names: dict[str, Any] = {
        "abc": abc,
        "torch": torch,
        "tokenizer": tokenizer,
        "device": "cpu",
        "LOW_RESOURCE": True,
        "seq_aligner": importlib.import_module("seq_aligner"),
        "ptp_utils": importlib.import_module("ptp_utils"),
    }
    notebook = json.loads((folder / "null_text_w_ptp.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"]]
    cell = next(cell for cell in cells if "class AttentionReplace" in cell)
    exec("from typing import *\n" + cell, names)
    return names


def main(folder: Path) -> None:
    """Run the reference and write what it computes."""
    spec = importlib.util.spec_from_file_location("shared", HERE.parents[2] / "conftest.py")
    assert spec and spec.loader
    shared = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shared)
    tokenizer = shared.tiny_tokenizer()
    reference = load(folder, tokenizer)
    aligner = reference["seq_aligner"]
    numbers: dict[str, Any] = {"cases": [], "edited": {}}
    for source, target in CASES:
        mapper, alphas = aligner.get_mapper(source, target, tokenizer)
        case = {"source": source, "target": target, "refine": mapper.tolist()}
        case["alphas"] = alphas.tolist()
        if len(source.split()) == len(target.split()):
            replaced = aligner.get_replacement_mapper_(source, target, tokenizer)
            case["replace"] = [
                [i, j, replaced[i, j].item()] for i, j in replaced.nonzero().tolist()
            ]
        numbers["cases"].append(case)
    equalizer = torch.ones(1, 77)
    for word, weight in WEIGHTS.items():
        equalizer[:, reference["ptp_utils"].get_word_inds(PROMPTS[1], word, tokenizer)] = weight
    for name in ("Replace", "Refine", "Replace+Reweight"):
        prompts = list(PROMPTS[:2] if "Reweight" in name else PROMPTS)
        control = reference[f"Attention{name.split('+')[0]}"](prompts, STEPS, dict(WINDOWS), 0.0)
        if "Reweight" in name:
            control = reference["AttentionReweight"](
                prompts, STEPS, dict(WINDOWS), 0.0, equalizer, controller=control
            )
        edited = []
        for step in range(STEPS):
            control.cur_step = step
            edited.append(control.forward(random_probabilities(step)[: len(prompts)], True, "up"))
        numbers["edited"][name] = torch.stack(edited)[:, 1:].tolist()
    text = json.dumps(numbers)
    (HERE / "numbers.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
