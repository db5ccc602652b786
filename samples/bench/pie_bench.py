"""PIE-Bench's table: how well edits of its pictures keep what lies outside the true masks.

The benchmark's folder (mapping_file.json beside annotation_images) and a model, such as Stable
Diffusion 1.4, are yours. The batch goes on where it stopped.

python samples/bench/pie_bench.py PIE-Bench --model CompVis/stable-diffusion-v1-4 --output pie
"""

import argparse
import json
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image

from crossattn.pipelines.batch import read_pairs, read_plan, run_batch
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.similarity import similarity

MEASURES = ("mse", "psnr", "ssim")


def main() -> None:
    """Run the batch, compare its pictures, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="emoji-sd")
    parser.add_argument("--method", help="the model's own unless given")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, default=7.5)
    parser.add_argument("--output", type=Path, default=Path("pie"))
    options = parser.parse_args()
    mapping = options.folder / "mapping_file.json"
    asked = {"model": options.model, "steps": options.steps, "guidance": options.guidance}
    plan = read_plan(mapping, {**asked, "picture": {"method": options.method}})
    pairs = {pair.id: pair for pair in read_pairs(json.loads(mapping.read_text()), options.folder)}
    found: dict[str, list[float]] = {}
    failed = 0
    for result in run_batch(plan, output=options.output):
        if result.error:
            failed += 1
            continue
        pair = pairs[result.id]
        edited = result.image.convert("RGB")
        before = read_picture(pair.image).resize(edited.size, Image.Resampling.LANCZOS)
        mask = Image.fromarray(pair.mask()).resize(edited.size, Image.Resampling.NEAREST)
        inside = np.asarray(mask)
        for side, where in (("outside", ~inside), ("inside", inside)):
            alike = similarity(before, edited, where)
            for name in MEASURES if alike else ():
                found.setdefault(f"{side} {name}", []).append(getattr(alike, name))
    print(f"{options.model}, {options.method}, {options.steps} steps; {failed} failed\n")
    print("| | MSE ×10⁴ | PSNR | SSIM ×10² | n |\n|---|---|---|---|---|")
    for side in ("outside", "inside"):
        mse, psnr, ssim = (found.get(f"{side} {name}", []) for name in MEASURES)
        if mse:
            cells = f"{1e4 * mean(mse):.2f} | {mean(psnr):.2f} dB | {1e2 * mean(ssim):.2f}"
            print(f"| {side} the mask | {cells} | {len(mse)} |")


if __name__ == "__main__":
    main()
