"""Whether marks in a prompt do what they say: words turned around, words that change, and weights
in the negative prompt, drawn with emoji-sd and judged.

- Turned around: one thing of scenes with two is weighed below 0. Counted are the pictures in which
  it is gone, and those in which the other thing is still there, of those whose plain picture shows
  both.
- Changed: a thing's colour changes after a share of the run. Counted are the pictures in the new
  colour and in the old one, of those where the thing is seen.
- Negative prompt: the one thing of a scene is named in both prompts, and weighed in the negative
  one. Counted are the pictures that show it.

python samples/bench/prompts_truth.py --scenes 40

With `--kept FILE` what the judge saw is kept, so that a run that was stopped goes on where it was.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import get_args

import torch
from kept import Drawing
from machine import describe

from crossattn.dialects import Dialect
from crossattn.pipelines.emoji_sd.captions import describe as caption
from crossattn.pipelines.emoji_sd.scenes import Scene, make_scene
from crossattn.pipelines.emoji_sd.vocabulary import COLOURS

FIRST_SEED = 2**25
TURNED = (-0.5, -1.0, -2.0)
WHEN = (0.0, 0.1, 0.3, 0.6)
NEGATIVE = (None, 1.0, 2.0)
TABLES = ("turned", "changed", "negated")


def scenes(things: int) -> Iterator[tuple[int, Scene]]:
    """Scenes of that many things and no snow, each with its number, for ever."""
    seed = FIRST_SEED
    while True:
        scene = make_scene(seed, "fresh")
        seed += 1
        if len(scene.things) == things and scene.amount == "none":
            yield seed, scene


def phrase(scene: Scene, index: int) -> tuple[int, int]:
    """Where the caption names a thing, its colour and size included."""
    spans = caption(scene).spans
    named = [
        spans[key]
        for key in (f"{part}:{index}" for part in ("size", "colour", "object"))
        if key in spans
    ]
    return min(start for start, _ in named), max(end for _, end in named)


def turned_around(draw: Drawing, count: int) -> Iterator[str]:
    """The rows of the table of words that are weighed below 0."""
    chosen: list[tuple[int, Scene]] = []
    for seed, scene in scenes(2):
        seen = draw(caption(scene).text, seed)
        if all(seen.find(thing.name) for thing in scene.things):
            chosen.append((seed, scene))
        if len(chosen) == count:
            break
    asked: list[tuple[Dialect, float]] = [("compel", weight) for weight in TURNED]
    asked += [(dialect, -1.0) for dialect in get_args(Dialect) if dialect != "compel"]
    for dialect, weight in asked:
        gone, kept = [], []
        for seed, scene in chosen:
            text, (start, end) = caption(scene).text, phrase(scene, 0)
            said = f"{text[:start]}({text[start:end]}:{weight:g}){text[end:]}"
            seen = draw(said, seed, dialect=dialect)
            gone.append(seen.find(scene.things[0].name) is None)
            kept.append(seen.find(scene.things[1].name) is not None)
        yield f"| {dialect} | {weight:g} | {len(gone)} | {mean(gone):.0%} | {mean(kept):.0%} |"


def changed(draw: Drawing, count: int) -> Iterator[str]:
    """The rows of the table of words that change during the run."""
    found: dict[float, list[tuple[bool, bool]]] = {when: [] for when in WHEN}
    coloured = ((seed, one) for seed, one in scenes(1) if one.things[0].colour)
    for (seed, scene), _ in zip(coloured, range(count), strict=False):
        text, (start, end) = caption(scene).text, caption(scene).spans["colour:0"]
        old = text[start:end]
        new = random.Random(seed).choice([colour for colour in COLOURS if colour != old])
        for when in WHEN:
            said = f"{text[:start]}[{old}:{new}:{when:.2f}]{text[end:]}"
            thing = draw(said, seed).find(scene.things[0].name)
            if thing is not None:
                found[when].append((thing.colour == new, thing.colour == old))
    for when, colours in found.items():
        news, olds = zip(*colours, strict=True)
        yield f"| {when:.0%} | {len(colours)} | {mean(news):.0%} | {mean(olds):.0%} |"


def negated(draw: Drawing, count: int) -> Iterator[str]:
    """The rows of the table of weights in the negative prompt."""
    chosen = [one for one, _ in zip(scenes(1), range(count), strict=False)]
    for dialect in get_args(Dialect):
        cells = []
        for weight in NEGATIVE:
            seen = []
            for seed, scene in chosen:
                name = scene.things[0].name
                against = "" if weight is None else f"({name}:{weight:g})"
                text = caption(scene).text
                # A weight of 1 is no weight, whatever the dialect.
                heavy = {"dialect": dialect} if weight not in (None, 1.0) else {}
                there = draw(text, seed, negative_prompt=against, **heavy).find(name)
                seen.append(there is not None)
            cells.append(f"{mean(seen):.0%}")
        yield f"| {dialect} | {len(chosen)} | {' | '.join(cells)} |"


def table(heads: Sequence[str], rows: Iterator[str]) -> None:
    """Print a Markdown table row by row."""
    print(f"| {' | '.join(heads)} |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print(row, flush=True)
    print(flush=True)


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--kept", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    draw = Drawing("emoji-sd", options.steps, options.kept)
    print(f"{options.scenes} scenes, {options.steps} steps.")
    print(describe("torch", "diffusers"), end="\n\n")
    if "turned" in options.tables:
        heads = "dialect", "weight", "scenes", "the thing is gone", "the other is there"
        table(heads, turned_around(draw, options.scenes))
    if "changed" in options.tables:
        heads = "[old:new:when]", "things seen", "in the new colour", "in the old colour"
        table(heads, changed(draw, options.scenes))
    if "negated" in options.tables:
        weights = ("none" if weight is None else f"{weight:g}" for weight in NEGATIVE)
        shown = (f"shown at {weight}" for weight in weights)
        table(["dialect", "scenes", *shown], negated(draw, options.scenes))


if __name__ == "__main__":
    main()
