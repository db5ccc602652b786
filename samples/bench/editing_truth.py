"""Whether edits do what they say: colours, objects and places changed, and judged.

Captions of scenes that training never showed are edited into those of the same scenes with one
thing changed. The judge says whether the change is there; the background's PSNR against the source
is taken outside the changed thing's box as the judge sees it in the source (for a place: inside
the things' boxes). Sources whose thing the judge does not see are passed over, and counted.
Prints a Markdown table, now and then that of the pairs so far, and with --sheet draws the first.
With --kept FILE the findings are kept, so that a run that was stopped goes on where it was.

python samples/bench/editing_truth.py --pairs 200 --sheet samples/pictures/editing-truth.png
python samples/bench/editing_truth.py --model emoji-sd3 --pairs 200
"""

import argparse
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from kept import Kept
from machine import describe
from PIL import Image

from crossattn import ControlError
from crossattn.controls import Edit, LocalBlend, Refine, Replace, ShareSelfAttention, Window
from crossattn.pipelines.edit import Source, edit, keep_source
from crossattn.pipelines.emoji_sd.captions import describe as caption
from crossattn.pipelines.emoji_sd.judge import Judge, Verdict
from crossattn.pipelines.emoji_sd.scenes import Scene, make_scene
from crossattn.pipelines.emoji_sd.vocabulary import COLOURS, OBJECTS, PLACES, SIZES
from crossattn.pipelines.load import Pipeline, load
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run
from crossattn.pipelines.sheets import Tile, contact_sheet

FIRST_SEED = 2**23
MARGIN = 8
EVERY = 25
"""After how many pairs the table is printed."""
KINDS = ("colour", "object", "place")
ROWS = 12
"""Pairs on the sheet."""
Way = Callable[[Pipeline, Source, str], Image.Image]
Finding = tuple[str, bool, float]
"""The kind of change, whether it was done, the background's PSNR in dB."""


@dataclass(frozen=True)
class Pair:
    """A scene, the same with one thing changed, and what was changed."""

    kind: str
    before: Scene
    after: Scene

    @property
    def texts(self) -> tuple[str, str]:
        """Both captions, worded alike."""
        return caption(self.before).text, caption(self.after).text

    def there(self, verdict: Verdict) -> bool:
        """Whether the source shows what is to be changed."""
        old = self.before.things[0]
        found = verdict.find(old.name)
        if self.kind == "place":
            return verdict.place == self.before.place and found is not None
        return found is not None and (self.kind == "object" or found.colour == old.colour)

    def done(self, verdict: Verdict) -> bool:
        """Whether the picture shows the change."""
        if self.kind == "place":
            return verdict.place == self.after.place
        new = self.after.things[0]
        found = verdict.find(new.name)
        if self.kind == "colour":
            return found is not None and found.colour == new.colour
        return found is not None and verdict.find(self.before.things[0].name) is None

    def background(self, verdict: Verdict) -> np.ndarray:
        """The pixels that should stay: bool (128, 128)."""
        stays = np.zeros((128, 128), bool)
        things = [self.before.things[0]] if self.kind != "place" else list(self.before.things)
        for thing in things:
            if (seen := verdict.find(thing.name)) is not None:
                half = SIZES[seen.size] / 2 + (MARGIN if self.kind != "place" else -MARGIN)
                rows = slice(max(0, round(seen.y - half)), round(seen.y + half))
                stays[rows, max(0, round(seen.x - half)) : round(seen.x + half)] = True
        return stays if self.kind == "place" else ~stays


def pairs() -> Iterator[Pair]:
    """Pairs of each kind in turn, for ever."""
    seed = FIRST_SEED
    while True:
        kind = KINDS[seed % 3]
        scene, rng = make_scene(seed, "heldout"), random.Random(seed)
        seed += 1
        thing, names = scene.things[0], {each.name for each in scene.things}
        if kind == "place":
            places = [place for place in PLACES if place != scene.place]
            after = replace(scene, place=rng.choice(places))
        elif kind == "object":
            after = scene.with_thing(0, name=rng.choice([n for n in OBJECTS if n not in names]))
        elif thing.colour is not None:
            colours = [colour for colour in COLOURS if colour != thing.colour]
            after = scene.with_thing(0, colour=rng.choice(colours))
        else:
            continue
        pair = Pair(kind, scene, after)
        if pair.texts[0] != pair.texts[1]:
            yield pair


def fresh(pipe: Pipeline, source: Source, target: str) -> Image.Image:
    """The target drawn anew from the same noise."""
    return _draw(pipe, source, target, [])


def reference(pipe: Pipeline, source: Source, target: str) -> Image.Image:
    """prompt-to-prompt with the settings of its notebooks: cross 0.8, self 0.4."""
    share = ShareSelfAttention(Window(0, 0.4), source=source.run)
    for kind in (Replace, Refine):
        try:
            words = kind(Window(0, 0.8), compat=True, source=source.run)
            return _draw(pipe, source, target, [words, share])
        except ControlError:
            # Its replace needs as many words in both prompts.
            continue
    raise AssertionError("refine takes any prompts")


def pie_bench(pipe: Pipeline, source: Source, target: str) -> Image.Image:
    """prompt-to-prompt as PIE-Bench ran it: refine, cross 0.4, self 0.6, blended."""
    controls = [
        Refine(Window(0, 0.4), compat=True, source=source.run),
        ShareSelfAttention(Window(0, 0.6), source=source.run),
        LocalBlend(source=source.run),
    ]
    return _draw(pipe, source, target, controls)


def ours(**how: object) -> Way:
    """This project's edit, by its defaults but for what is given."""

    def way(pipe: Pipeline, source: Source, target: str) -> Image.Image:
        asked = source.result.recipe.replace(edit={"prompt": target, **how})
        *_, done = edit(asked, pipe=pipe, source=source)
        return done.result.image

    return way


WAYS: dict[str, Way] = {
    "fresh": fresh,
    "crossattn": ours(),
    "crossattn, blend by words": ours(by="words"),
    "crossattn, blend by nouns": ours(by="nouns"),
    "reference": reference,
    "PIE-Bench": pie_bench,
    "crossattn, share 0.2": ours(cross=(0, 0), share=(0, 0.2)),
    "crossattn, share 0.4": ours(cross=(0, 0), share=(0, 0.4)),
    "crossattn, share 0.6": ours(cross=(0, 0), share=(0, 0.6)),
    "crossattn, no blend": ours(blend=None),
    "crossattn, refine": ours(mode="refine"),
    **{f"crossattn, cross {end}": ours(cross=(0, end)) for end in (0.2, 0.4, 0.5, 0.6, 0.8)},
}


def _draw(pipe: Pipeline, source: Source, target: str, controls: list[Edit]) -> Image.Image:
    *_, result = run(source.result.recipe.replace(prompt=target), pipe=pipe, controls=controls)
    return result.image


class Case:
    """A pair of captions, its source and the edits of it, each drawn once, when asked for."""

    def __init__(self, pair: Pair, recipe: Recipe, pipe: Pipeline, judge: Judge) -> None:
        self.pair, self.recipe, self.pipe, self.judge = pair, recipe, pipe, judge
        self.drawn = cache(self._drawn)

    @cached_property
    def source(self) -> Source:
        """The source's run, kept."""
        *_, source = keep_source(self.recipe, pipe=self.pipe)
        return source

    @cached_property
    def seen(self) -> Verdict:
        """What the judge sees in the source."""
        return self.judge.look([self.source.result.image])[0]

    def usable(self) -> bool:
        """Whether the source shows what is to be changed, and something else."""
        return self.pair.there(self.seen) and bool(self.pair.background(self.seen).any())

    def judged(self, way: str) -> tuple[bool, float]:
        """Whether that way did the edit, and the background's PSNR in dB."""
        picture, stays = self.drawn(way), self.pair.background(self.seen)
        done = self.pair.done(self.judge.look([picture])[0])
        return done, psnr(self.source.result.image, picture, stays)

    def _drawn(self, way: str) -> Image.Image:
        return WAYS[way](self.pipe, self.source, self.pair.texts[1])


def psnr(before: Image.Image, after: Image.Image, where: np.ndarray) -> float:
    """Peak signal to noise in dB over some pixels, 60 at most."""
    first, second = (np.asarray(one, np.float64)[where] for one in (before, after))
    return float(min(60, 10 * np.log10(255**2 / max(((first - second) ** 2).mean(), 1e-9))))


def main() -> None:
    """Draw, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="emoji-sd")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--steps", type=int, help="of each picture; the model's own unless given")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS)[:4])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of change")
    parser.add_argument("--sheet", type=Path, help="where to draw the first pairs")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="where findings are kept")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipe, judge = load(options.model), Judge.load()
    steps = options.steps or defaults_of(pipe).steps
    print(f"{options.model}, {steps} steps; {describe('torch', 'diffusers')}", flush=True)
    tries = 0
    kept = Kept(options.kept)
    found: dict[str, list[Finding]] = {way: [] for way in options.ways}
    tiles: list[Tile] = []
    for pair in pairs():
        tries += 1
        if pair.kind not in options.kinds:
            continue
        recipe = Recipe(model=options.model, prompt=pair.texts[0], seed=tries, steps=steps)
        case = Case(pair, recipe, pipe, judge)
        if not kept(f"{tries}", case.usable):
            continue
        for way in options.ways:
            done, background = kept(f"{tries} {way}", partial(case.judged, way))
            found[way].append((pair.kind, done, background))
        count = len(found[options.ways[0]])
        if options.sheet and count <= ROWS:
            tiles += [Tile(case.source.result.image, pair.texts[0])]
            tiles += [Tile(case.drawn(way), way, _note(found[way][-1])) for way in options.ways]
        if count == options.pairs or not count % EVERY:
            print_table(found, tries)
        if count == options.pairs:
            break
    if options.sheet:
        large = [Tile(tile.image.resize((256, 256)), tile.label, tile.note) for tile in tiles]
        title, footer = "Edits of held-out scenes", "dB: background against the source"
        columns = 1 + len(options.ways)
        page = contact_sheet(large, title=title, footer=footer, columns=columns, scale=False)
        page.save(options.sheet)


def print_table(found: dict[str, list[Finding]], tries: int) -> None:
    """Print what was found of each way so far, in all and by kind of change."""
    print(f"\n{len(next(iter(found.values())))} pairs ({tries} drawn)\n")
    titles = [f"{kind}: done | {kind}: background" for kind in KINDS]
    print(f"| way | done | background | {' | '.join(titles)} |")
    print("|---" * (3 + 2 * len(KINDS)) + "|")
    for way, rows in found.items():
        cells = [_cells(rows), *(_cells([row for row in rows if row[0] == k]) for k in KINDS)]
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


def _note(finding: Finding) -> str:
    _, done, background = finding
    return f"{background:.0f} dB{'' if done else ', missed'}"


def _cells(rows: list[Finding]) -> str:
    if not rows:
        return " | "
    return f"{mean(row[1] for row in rows):.0%} | {mean(row[2] for row in rows):.1f} dB"


if __name__ == "__main__":
    main()
