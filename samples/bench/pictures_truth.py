"""Whether pictures that exist are kept and edited: renders of scenes whose other side is known.

Scenes that training never showed are rendered, not drawn, so what an edit should make of them is
rendered too (the true counterfactual). Printed for each model are how well each method gives the
picture back (40 renders), and of its edits how many the judge finds done, the background's PSNR
against the picture, and the PSNR to the true counterfactual, beside what the autoencoder alone
leaves, the true edit itself and doing nothing. Rows are kept in --rows as they come, and a run goes
on where one stopped; several may share the work with --part.

python samples/bench/pictures_truth.py --pairs 100 --rows pictures-truth.jsonl
"""

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any, get_args

import numpy as np
import torch
from editing_truth import Pair, pairs, psnr
from machine import describe
from PIL import Image

from crossattn import CrossattnError
from crossattn.inversion import Following
from crossattn.inversion_methods import Method, usual_method
from crossattn.pipelines.denoise import decode, denoise, encode, with_own_scheduler
from crossattn.pipelines.edit import Source, edit, keep_source
from crossattn.pipelines.emoji_sd.judge import Judge
from crossattn.pipelines.emoji_sd.scenes import render
from crossattn.pipelines.invert import encoded, put_back
from crossattn.pipelines.load import Pipeline, load
from crossattn.pipelines.recipe import Recipe

STEPS = {"emoji-sd": 15, "emoji-sd3": 12}
METHODS = get_args(Method)
VARIANTS: dict[str, dict[str, object]] = {
    "no blend": {"blend": None},
    "cross 0.4": {"cross": (0, 0.4), "share": (0, 0)},
    "share 0.4": {"cross": (0, 0), "share": (0, 0.4)},
    **{f"guidance {guidance}": {} for guidance in range(1, 8)},
}
"""What may stand behind a method, as in "ddim, guidance 4, no blend"."""
NOTHING = "nothing"
TRUE_EDIT = "the true edit"
"""The render of the other side through the autoencoder: boxes of things have corners that a change
of place changes too, so that no edit's background can be nearer to the picture's than its."""
GIVEN_BACK = ("shift", "direct", "ddim", "null-text")
"""Methods that walk back, whose sources are compared with the picture, each its own way."""
RENDERS = 60
"""Pairs whose picture is given back as well, some of which are passed over."""

EVERYWHERE = np.ones((128, 128), bool)
Row = dict[str, Any]
PARTS: dict[str, Callable[[Row], Row | None]] = {
    "What the model drew:": lambda row: row,
    "What changed put back into the picture, as it is unless told:": lambda row: row["put back"],
}


def rows(
    model: str,
    pair: Pair,
    number: int,
    pipe: Pipeline,
    judge: Judge,
    ways: list[str],
    back: bool,
) -> Iterator[Row]:
    """Those ways' rows for a pair; none where the judge does not see what is to be changed.

    With `back` also how well the methods of GIVEN_BACK give the picture back.
    """
    before, after = (Image.fromarray(render(one).pixels) for one in (pair.before, pair.after))
    seen = judge.look([before])[0]
    stays = pair.background(seen)
    if not pair.there(seen) or not stays.any():
        return

    def row(way: str, picture: Image.Image, put: Image.Image | None = None) -> Row:
        done = pair.done(judge.look([picture])[0])
        background, truth = psnr(before, picture, stays), psnr(after, picture, EVERYWHERE)
        about = {"model": model, "pair": number, "kind": pair.kind, "way": way}
        kept = None if put is None else row(way, put)
        told = {"done": done, "background": background, "truth": truth, "put back": kept}
        return about | told

    kept = _round(pipe, before)
    if NOTHING in ways:
        yield row(NOTHING, kept)
        limit = psnr(before, kept, stays)
        best = row(TRUE_EDIT, _round(pipe, after))
        yield best
        yield best | {"way": "the autoencoder's limit", "background": limit}
    text, target = pair.texts
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        before.save(path)
        made: dict[str, Source] = {}
        for way in ways:
            if way == NOTHING:
                continue
            method, *variants = way.split(", ")
            changed = {name: what for one in variants for name, what in VARIANTS[one].items()}
            guided = [one.removeprefix("guidance ") for one in variants if "guidance" in one]
            guidance = float(guided[0]) if guided else None
            recipe = Recipe(
                model=model,
                prompt=text,
                steps=STEPS[model],
                guidance=guidance,
                picture={"path": str(path), "method": method, "put_back": False},
                edit={"prompt": target, **changed},
            )
            try:
                name = f"{method} {guidance}" if guidance else method
                if name not in made:
                    *_, made[name] = keep_source(recipe, pipe=pipe)
                    if back and name in GIVEN_BACK:
                        yield given_back(recipe, number, pipe, made[name], before)
                *_, done = edit(recipe, pipe=pipe, source=made[name])
            except CrossattnError:
                # A method that this kind of model cannot do.
                continue
            image, mask, cell = done.result.image, done.report.mask, pipe.vae_scale_factor
            # The report's mask is in pixels, the blend's has one place for each latent pixel.
            small = None if mask is None else mask[::cell, ::cell]
            yield row(way, image, put_back(before, image, small))


def given_back(
    recipe: Recipe, number: int, pipe: Pipeline, source: Source, picture: Image.Image
) -> Row:
    """How well a kept source gives its picture back; an exact one's branch is evaluated again."""
    latents, method = source.run.tensors["latents"][-1:], source.run.kept.method
    if method == "shift":
        latents = _again(pipe, source, recipe.prompt)
    image, _ = decode(pipe, latents, torch.float32, torch.Generator())
    return {
        "model": recipe.model,
        "pair": number,
        "way": f"back by {method}",
        "psnr": psnr(picture, image, EVERYWHERE),
        "limit": psnr(picture, _round(pipe, picture), EVERYWHERE),
        "error": float((latents - encoded(pipe, picture)).abs().max()),
    }


@torch.no_grad()
def _again(pipe: Pipeline, source: Source, text: str) -> torch.Tensor:
    """Where the source's own branch ends, with nothing of the inversion's answers kept."""
    recipe = source.result.recipe
    own = with_own_scheduler(pipe, recipe.scheduler)
    said = encode(own, text, "", guidance=1.0)
    *_, last = denoise(
        own,
        said,
        steps=recipe.steps or 0,
        guidance=1.0,
        height=128,
        width=128,
        generator=torch.Generator(),
        follow=Following(source.run),
    )
    return last.latents


@torch.no_grad()
def _round(pipe: Pipeline, picture: Image.Image) -> Image.Image:
    """A picture through the autoencoder and back."""
    return decode(pipe, encoded(pipe, picture), torch.float32, torch.Generator())[0]


def table(rows: list[Row]) -> None:
    """Print what the rows of one model come to."""
    back = [row for row in rows if "error" in row]
    for way in dict.fromkeys(row["way"] for row in back):
        own = [row for row in back if row["way"] == way]
        apart = mean(float(row["psnr"]) - float(row["limit"]) for row in own)
        worst = max(float(row["error"]) for row in own)
        print(
            f"{way}: {mean(float(row['psnr']) for row in own):.2f} dB, {apart:+.2f} to the "
            f"autoencoder's limit, largest latent error {worst:.1e} (n {len(own)})"
        )
    edits = [row for row in rows if "error" not in row]
    kinds = ("colour", "object", "place")
    titles = " | ".join(f"{kind}: done | {kind}: truth" for kind in kinds)
    for title, part in PARTS.items():
        print(f"\n{title}\n\n| way | n | done | background | to the truth | {titles} |")
        print("|---" * (5 + 2 * len(kinds)) + "|")
        for way in dict.fromkeys(row["way"] for row in edits):
            parts = [part(row) for row in edits if row["way"] == way]
            own = [one for one in parts if one is not None]
            if not own:
                continue
            cells = [f"{way}", f"{len(own)}", _mean(own, "done"), _mean(own, "background")]
            cells.append(_mean(own, "truth"))
            for kind in kinds:
                some = [row for row in own if row["kind"] == kind]
                cells += [_mean(some, "done"), _mean(some, "truth")]
            print(f"| {' | '.join(cells)} |")
    print()
    usual = usual_method(flow=rows[0]["model"] == "emoji-sd3")
    for other in dict.fromkeys(row["way"] for row in edits):
        both = _both(edits, usual, other)
        if other != usual and other.partition(",")[0] in METHODS and both:
            told = (f"{name} {_apart(both, name)}" for name in ("background", "truth"))
            print(f"{usual} against {other}, pair by pair (n {len(both)}): {'; '.join(told)}\n")


def _mean(rows: list[Row], name: str) -> str:
    if not rows:
        return ""
    value = mean(float(row[name]) for row in rows)
    return f"{value:.0%}" if name == "done" else f"{value:.1f} dB"


def _both(rows: list[Row], one: str, other: str) -> list[tuple[Row, Row]]:
    """The rows of two ways for each pair that has both."""
    of = {way: {row["pair"]: row for row in rows if row["way"] == way} for way in (one, other)}
    return [(row, of[other][pair]) for pair, row in of[one].items() if pair in of[other]]


def _apart(both: list[tuple[Row, Row]], name: str) -> str:
    apart = [float(one[name]) - float(other[name]) for one, other in both]
    means = sorted(mean(random.Random(seed).choices(apart, k=len(apart))) for seed in range(1000))
    return f"{mean(apart):+.1f} dB, 95 % of resamples {means[25]:+.1f} to {means[974]:+.1f}"


def _way(text: str) -> str:
    method, *variants = text.split(", ")
    if method not in (NOTHING, *METHODS) or not VARIANTS.keys() >= {*variants}:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no way: expected one of {', '.join(METHODS)}, and behind it, each after "
            f"a comma, any of {', '.join(VARIANTS)}."
        )
    return text


def main() -> None:
    """Invert, edit, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="pairs to pass over; 200 to tune by")
    parser.add_argument("--rows", type=Path, default=Path("pictures-truth.jsonl"))
    usual = [NOTHING, *METHODS, "ddim, guidance 4", "ddim, guidance 4, no blend"]
    parser.add_argument("--ways", nargs="+", type=_way, default=usual, metavar="WAY")
    parser.add_argument("--part", default="1/1", help="1/4 does the first of every four pairs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    part, parts = map(int, options.part.split("/"))
    judge, pipes = Judge.load(), {model: load(model) for model in options.models}
    options.rows.touch()
    stored = [json.loads(line) for line in options.rows.read_text().splitlines()]
    tried = {(row["model"], row["pair"], row["way"]): row for row in stored}
    kept = [*tried.values()]
    # Some pairs are passed over, where the judge does not see the thing.
    numbered = islice(enumerate(pairs()), options.first, options.first + 2 * options.pairs)
    for number, pair in numbered:
        for model, pipe in pipes.items():
            had = {row["pair"] for row in kept if row["model"] == model} - {number}
            if number % parts != part - 1 or len(had) >= -(-options.pairs // parts):
                continue
            todo = [way for way in (NOTHING, *options.ways) if (model, number, way) not in tried]
            back = number < options.first + RENDERS
            new = [*rows(model, pair, number, pipe, judge, todo, back)] if todo else []
            kept += new
            with options.rows.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
    print(describe("torch", "diffusers"))
    for model in options.models:
        print(f"\n{model}, {STEPS[model]} steps\n")
        table([row for row in kept if row["model"] == model])


if __name__ == "__main__":
    main()
