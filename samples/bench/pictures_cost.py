"""What editing a picture that exists costs, beside a plain drawing of as many steps.

A render is inverted by each method, and edited; in between, each time, the same model draws.
Printed for each method are the denoiser's evaluations (rows of its batches), the seconds of
inverting (where gradients are taken back through it, each counts once) and of the edit, the
edit's time over that of the plain drawing just before it (median,
least and most of the rounds), and the MiB that the run takes while it is kept, told before and
counted afterwards. Times are this process's own, on one thread, so that others at work on the
machine matter little.

python samples/bench/pictures_cost.py
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, get_args

import torch
from machine import describe
from PIL import Image

from crossattn import CrossattnError
from crossattn.inversion_methods import Method
from crossattn.pipelines.edit import edit, keep_source
from crossattn.pipelines.edit_choices import kept_windows, settled_edit
from crossattn.pipelines.emoji_sd.scenes import make_scene, render
from crossattn.pipelines.joint import denoiser_of
from crossattn.pipelines.kept_size import kept_nbytes
from crossattn.pipelines.load import Pipeline, load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import run

STEPS = {"emoji-sd": 15, "emoji-sd3": 12}
CAPTION, TARGET = "a small red car in a field of grass", "a small blue car in a field of grass"


class Meter:
    """Counts the rows that a denoiser is given, and this process's seconds."""

    def __init__(self, pipe: Pipeline) -> None:
        self.rows = 0
        denoiser_of(pipe).register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        shown = args[0] if args else kwargs["hidden_states"]
        self.rows += len(shown)

    def of(self, events: Iterator[Any]) -> tuple[Any, int, float]:
        """What a run ends with, its evaluations and its seconds."""
        self.rows, started = 0, time.process_time()
        *_, end = events
        return end, self.rows, time.process_time() - started


def main() -> None:
    """Invert, edit, draw, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--methods", nargs="+", choices=get_args(Method), default=get_args(Method))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("torch", "diffusers"))
    for name in options.models:
        print(f"\n{name}, {STEPS[name]} steps, {options.rounds} rounds\n")
        print("| method | inverting | edit | edit / plain drawing | kept |")
        print("|---" * 5 + "|")
        pipe = load(name)
        meter = Meter(pipe)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            Image.fromarray(render(make_scene(7, "fresh")).pixels).save(path)
            for method in options.methods:
                picture = {"path": str(path), "method": method}
                recipe = Recipe(model=name, prompt=CAPTION, steps=STEPS[name], picture=picture)
                try:
                    print(_row(recipe, pipe, meter, options.rounds), flush=True)
                except CrossattnError as error:
                    print(f"| {method} | {error} | | | |")


def _row(recipe: Recipe, pipe: Pipeline, meter: Meter, rounds: int) -> str:
    assert recipe.picture is not None
    asked = recipe.replace(edit={"prompt": TARGET})
    told = kept_nbytes(asked, pipe)
    cross, share = kept_windows(settled_edit(asked, pipe))
    plain = Recipe(model=recipe.model, prompt=TARGET, steps=recipe.steps, guidance=2.0)
    found = []
    for _ in range(rounds):
        _, drawn, drawing = meter.of(run(plain, pipe=pipe))
        source, inverted, inverting = meter.of(
            keep_source(recipe, pipe=pipe, cross=cross, share=share)
        )
        _, edited, editing = meter.of(edit(asked, pipe=pipe, source=source))
        found.append((inverting, editing, editing / drawing))
    inverting, editing, ratio = (median(column) for column in zip(*found, strict=True))
    ratios = [each[2] for each in found]
    counted = source.run.nbytes
    return (
        f"| {recipe.picture.method} | {inverted} evaluations, {inverting:.2f} s | {edited} "
        f"evaluations, {editing:.2f} s | {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}; "
        f"{drawn} evaluations) | {counted / 2**20:.1f} MiB, told {told / 2**20:.1f} |"
    )


if __name__ == "__main__":
    main()
