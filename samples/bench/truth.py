"""How well noun maps find their objects: mean IoU with the true masks of fresh scenes.

Each scene is drawn (so its masks are known), shown to the model noised to t = 300, 500 and 700,
and every noun's map, min-max normalised and cut at 0.4, is held against the object's mask. The
recipes are those of crossattn.aggregation, with heads kept and (where that can be) averaged. The
default was chosen on scenes 5000 to 5059; these are others.
"""

import argparse
import statistics
from itertools import product

import numpy as np
import torch
from machine import describe as describe_machine
from PIL import Image

from crossattn import Recorder, read_prompt
from crossattn.aggregation import JOINS
from crossattn.pipelines.emoji_sd.captions import describe
from crossattn.pipelines.emoji_sd.scenes import SIDE, make_scene, render
from crossattn.pipelines.existing import trace_picture
from crossattn.pipelines.load import load


def scores(model: str, count: int) -> dict[str, list[float]]:
    """The IoU of every noun of `count` fresh scenes, by the recipe that joined the sites."""
    pipe = load(model)
    found: dict[str, list[float]] = {}
    for seed in range(count):
        scene = make_scene(seed, "fresh")
        drawn, caption = render(scene), describe(scene)
        picture = Image.fromarray(drawn.pixels)
        traces = {
            heads: trace_picture(pipe, picture, caption.text, recorder=Recorder(heads=heads))
            for heads in (True, False)
        }
        words = {word.span: word for word in read_prompt(caption.text).words}
        for index, mask in enumerate(drawn.masks):
            word = words[caption.spans[f"object:{index}"]]
            for name, heads in product(JOINS, traces):
                if name == "daam" and not heads:
                    continue
                heat = traces[heads].by(name).word(word.text, word.occurrence)
                heat = heat.resize(SIDE, SIDE).mask(0.4).numpy()
                score = float((heat & mask).sum() / (heat | mask).sum())
                found.setdefault(f"{name}, heads {'kept' if heads else 'averaged'}", []).append(
                    score
                )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="emoji-sd")
    parser.add_argument("--scenes", type=int, default=200)
    options = parser.parse_args()
    torch.manual_seed(0)
    found = scores(options.model, options.scenes)
    print(f"{options.scenes} fresh scenes, {len(next(iter(found.values())))} nouns.")
    print(describe_machine("torch", "diffusers"), end="\n\n")
    print("| sites joined by | mean IoU | 95 % interval of the mean |\n|---|---|---|")
    rng = np.random.default_rng(0)
    for name, values in found.items():
        draws = rng.choice(values, (1000, len(values))).mean(1)
        low, high = np.percentile(draws, [2.5, 97.5])
        print(f"| {name} | {statistics.mean(values):.3f} | {low:.3f} to {high:.3f} |")


if __name__ == "__main__":
    main()
