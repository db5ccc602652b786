"""Every prompt with every seed, in this process and without any files.

python samples/batch_prompt_seed_grid.py [folder]
"""

import sys
from pathlib import Path

from PIL import Image

from crossattn.pipelines.batch import run_batch

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "out/prompt-seed-grid")
PROMPTS = ["a red car on grass", "a blue balloon at the beach", "a fox in snow"]
SEEDS = range(3)

if __name__ == "__main__":
    grid: Image.Image | None = None
    plan = [{"sweep": {"prompt": PROMPTS}, "seeds": list(SEEDS)}]
    for result in run_batch(plan):
        picture = result.image
        width, height = picture.size
        if grid is None:
            grid = Image.new("RGB", (width * len(SEEDS), height * len(PROMPTS)))
        row = PROMPTS.index(result.item.axes["prompt"])
        grid.paste(picture, (width * result.item.axes["seed"], height * row))
    assert grid is not None
    FOLDER.mkdir(parents=True, exist_ok=True)
    grid.save(FOLDER / "grid.png")
    print(f"Look at {FOLDER / 'grid.png'}.")
