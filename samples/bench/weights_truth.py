"""Which dialect's weights do what people expect: more of a word for a higher weight, and no less
of the others.

The words for falling snow are weighed from 0.25 to 2.5 in captions of scenes. A judge grades the
snow; the table has the rank correlation of weight and mean snow, and of weight and snow over each
scene, the snow at the lowest and the highest weight (0 none to 3 heavy), and in how many pictures
the things and the place are still those of the caption, of those that have them at weight 1. Prints
the table of the scenes so far, now and then. With --kept FILE what the judge saw is kept, so that a
run that was stopped goes on where it was.

python samples/bench/weights_truth.py --scenes 40
python samples/bench/weights_truth.py --model emoji-sd3 --scenes 40
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import get_args

import numpy as np
import torch
from kept import Drawing
from machine import describe

from crossattn.pipelines.emoji_sd.captions import describe as caption
from crossattn.pipelines.emoji_sd.judge import Verdict
from crossattn.pipelines.emoji_sd.scenes import Scene, make_scene
from crossattn.pipelines.emoji_sd.scores import rank_correlation
from crossattn.pipelines.load import load
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.recipe import Dialect

FIRST_SEED = 2**24
EVERY = 5
"""After how many scenes the table is printed."""
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


@dataclass
class Judged:
    """What a judge sees of one dialect: a row for each scene, a column for each weight."""

    snow: list[list[float]] = field(default_factory=list)
    things: list[bool] = field(default_factory=list)
    places: list[bool] = field(default_factory=list)

    def add(self, scene: Scene, seen: list[Verdict]) -> None:
        """Count a scene's pictures; what is not there at weight 1 cannot be kept."""
        plain = seen[WEIGHTS.index(1.0)]
        self.snow.append([verdict.snow for verdict in seen])
        for verdict in (one for one in seen if one is not plain):
            names = [thing.name for thing in scene.things if plain.find(thing.name)]
            self.things += [verdict.find(name) is not None for name in names]
            if plain.place == scene.place:
                self.places.append(verdict.place == scene.place)

    def cells(self) -> list[str]:
        """The row of the table."""
        snow = np.array(self.snow)
        weights = np.array(WEIGHTS)
        of_means = rank_correlation(np.stack([weights, snow.mean(0)], 1))
        each = [rank_correlation(np.stack([weights, graded], 1)) for graded in snow]
        shown = [f"{of_means:.2f}", f"{np.nanmean(each):.2f}"]
        shown += [f"{amount:.2f}" for amount in snow.mean(0)]
        return [*shown, *(f"{mean(kept or [False]):.0%}" for kept in (self.things, self.places))]


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="emoji-sd")
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--steps", type=int, help="of each picture; the model's own unless given")
    parser.add_argument("--dialects", nargs="+", choices=get_args(Dialect))
    parser.add_argument("--kept", type=Path, metavar="FILE", help="where what was seen is kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    steps = options.steps or defaults_of(load(options.model)).steps
    draw = Drawing(options.model, steps, options.kept)
    print(f"{options.model}, weights {WEIGHTS}, {steps} steps; {describe('torch', 'diffusers')}")
    found = {dialect: Judged() for dialect in options.dialects or get_args(Dialect)}
    for row, (scene, _) in enumerate(zip(scenes(), range(options.scenes), strict=False)):
        for dialect, judged in found.items():
            seen = []
            for weight in WEIGHTS:
                said = weighed(scene, weight)
                seen.append(draw(said, row, dialect=dialect))
            judged.add(scene, seen)
        if row + 1 == options.scenes or not (row + 1) % EVERY:
            print_table(found, row + 1)


def print_table(found: dict[str, Judged], count: int) -> None:
    """Print what was found so far."""
    print(f"\n{count} scenes\n")
    snow = " | ".join(f"snow at {weight:g}" for weight in WEIGHTS)
    print(f"| dialect | of the means | of each scene | {snow} | things kept | place kept |")
    print("|---" * (5 + len(WEIGHTS)) + "|")
    for dialect, judged in found.items():
        print(f"| {dialect} | {' | '.join(judged.cells())} |", flush=True)


if __name__ == "__main__":
    main()
