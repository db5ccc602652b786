"""Make the numbers that tests/crossattn/test_daam_agreement.py holds the recorder to.

Run with what is measured against installed apart (see requirements-bench.txt):
PYTHONPATH=.bench python samples/bench/daam_numbers.py
"""

from pathlib import Path

import torch
from models import tiny
from peers import daam
from safetensors.torch import save_file

PROMPT = "a red car left of the blue bus"
"""Words of one token, of several, and one that stands twice."""
STEPS = 4
GUIDANCE = 7.5
EVERY = 4
"""Rows and columns of the 64 × 64 maps that are kept: each fourth."""
NUMBERS = Path(__file__).parents[2] / "tests" / "crossattn" / "daam_numbers.safetensors"


def main() -> None:
    """Run DAAM on the tiny pipeline and keep its word maps."""
    if daam is None:
        raise SystemExit("DAAM is not there: install requirements-bench.txt into .bench, as above.")
    torch.set_num_threads(1)
    pipe = tiny()
    with daam.trace(pipe) as trace:
        pipe(
            PROMPT,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )
        maps = trace.compute_global_heat_map()
        words = {
            word: maps.compute_word_heat_map(word).value[::EVERY, ::EVERY].contiguous()
            for word in PROMPT.split()
        }
    settings = {"prompt": PROMPT, "steps": STEPS, "guidance": GUIDANCE, "every": EVERY}
    save_file(words, NUMBERS, {name: str(value) for name, value in settings.items()})
    for word, heat in words.items():
        print(f"{word}: mean {heat.mean():.4f}, from {heat.min():.4f} to {heat.max():.4f}")


if __name__ == "__main__":
    main()
