"""Which dialect's weights do what people expect: more of a word for a higher weight, and no less
of the others.

On emoji-sd, the words for falling snow are weighed from 0.25 to 2.5 in captions of scenes. A judge
grades the snow; the table has the rank correlation of weight and snow over each scene, the snow at
the lowest and the highest weight (0 none to 3 heavy), and in how many pictures the things and
the place are still those of the caption.

python samples/bench/weights_truth.py --scenes 40
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from statistics import mean
from typing import get_args

import numpy as np
import torch
from machine import describe

from crossattn.pipelines.emoji_sd.captions import describe as caption
from crossattn.pipelines.emoji_sd.judge import Judge
from crossattn.pipelines.emoji_sd.scenes import Scene, make_scene
from crossattn.pipelines.emoji_sd.scores import rank_correlation
from crossattn.pipelines.load import load
from crossattn.pipelines.recipe import Dialect, Recipe
from crossattn.pipelines.run import run

FIRST_SEED = 2**24
WEIGHTS = (0.25, 0.5, 1.0, 1.5, 2.5)


def scenes() -> Iterator[Scene]:
    """Scenes of one or two things in some snow, for ever."""
    seed = FIRST_SEED
    while True:
        scene = make_scene(seed, "fresh")
        seed += 1
        if len(scene.things) < 3:
            yield replace(scene, amount="some")


def weighed(scene: Scene, weight: float) -> str:
    """The scene's caption with a weight on the words for snow."""
    words = caption(scene)
    start, end = words.spans["amount"]
    return f"{words.text[:start]}({words.text[start:end]}:{weight:g}){words.text[end:]}"


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipe, judge = load(), Judge.load()
    chosen = [scene for scene, _ in zip(scenes(), range(options.scenes), strict=False)]
    print(f"{options.scenes} scenes, weights {WEIGHTS}, {options.steps} steps.")
    print(describe("torch", "diffusers"), end="\n\n")
    print("| dialect | correlation | snow at 0.25 | at 1 | at 2.5 | things kept | place kept |")
    print("|---|---|---|---|---|---|---|")
    for dialect in get_args(Dialect):
        snow = np.zeros((len(chosen), len(WEIGHTS)))
        things: list[bool] = []
        places: list[bool] = []
        for row, scene in enumerate(chosen):
            for column, weight in enumerate(WEIGHTS):
                recipe = Recipe(
                    prompt=weighed(scene, weight), seed=row, steps=options.steps, dialect=dialect
                )
                *_, result = run(recipe, pipe=pipe)
                (verdict,) = judge.look([result.image])
                snow[row, column] = verdict.snow
                things += [verdict.find(thing.name) is not None for thing in scene.things]
                places.append(verdict.place == scene.place)
        pairs = [np.stack([np.array(WEIGHTS), graded], 1) for graded in snow]
        correlation = np.nanmean([rank_correlation(each) for each in pairs])
        cells = [f"{correlation:.2f}", *(f"{snow[:, column].mean():.2f}" for column in (0, 2, 4))]
        cells += [f"{mean(things):.0%}", f"{mean(places):.0%}"]
        print(f"| {dialect} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
