"""The model card: everything measured, written by the code that measured it."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from crossattn.pipelines.emoji_sd.captions import describe
from crossattn.pipelines.emoji_sd.checkpoint import load, write_atomically
from crossattn.pipelines.emoji_sd.scenes import SIDE, make_scene, render
from crossattn.pipelines.emoji_sd.scores import GUIDANCE, STEPS, Drawn
from crossattn.pipelines.emoji_sd.vocabulary import (
    AMOUNTS,
    COLOURS,
    OBJECTS,
    PLACES,
    RELATIONS,
    SIZES,
    STYLES,
    words,
)

STAGES = ("autoencoder", "decoder", "denoiser", "judge")
KINDS = ("object", "colour", "size", "place", "relation", "style", "amount")
WANTED = {"object": 0.9, "colour": 0.9, "size": 0.8, "place": 0.97, "relation": 0.8, "amount": 0.8}

_HEAD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---
# emoji-sd

A small Stable Diffusion that draws emoji on painted places, {side}×{side} pixels, trained from
nothing by this project on scenes whose truth is known. `StableDiffusionPipeline.from_pretrained`
loads it. It is for teaching, tests and measurements, and knows nothing outside its vocabulary.

![Some of the prompts that were scored, drawn once and not chosen](samples.jpg)
"""


def write_card(
    model: Path,
    folder: Path,
    pipeline: StableDiffusionPipeline,
    scores: Mapping[str, Any],
    drawn: Sequence[Drawn],
) -> None:
    """Write MODEL_CARD.md, scores.json, samples.jpg (of the pictures `drawn`) and curve.png into
    the model's folder, from the checkpoints' logs and the scores."""
    logs = {stage: load(folder / f"{stage}.pt")["log"] for stage in STAGES}
    _draw_sheet(model / "samples.jpg", [picture for _, picture in drawn])
    draw_curve(model / "curve.png", logs["denoiser"])
    parts = {
        "denoiser": pipeline.unet,
        "text encoder": pipeline.text_encoder,
        "autoencoder": pipeline.vae,
    }
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    seconds = _seconds_a_picture(pipeline)
    figures = {
        **scores,
        "seconds_a_picture": seconds,
        "scenes_a_second": _scenes_a_second(),
        "cores": os.cpu_count(),
        "parameters": sizes,
        "logs": logs,
    }
    _write(model / "scores.json", json.dumps(figures, indent=1) + "\n")
    _write(model / "MODEL_CARD.md", card_text(figures, [prompt for prompt, _ in drawn]))


def card_text(figures: Mapping[str, Any], prompts: Sequence[str]) -> str:
    """The card in Markdown, from what scores.json holds and the prompts of the sheet."""
    return "\n".join(
        [
            _HEAD.format(side=SIDE),
            _scores_section(figures),
            _data_section(figures["scenes_a_second"]),
            _training_section(figures["logs"], figures["parameters"]),
            _vocabulary_section(),
            "## Prompts of the sheet\nRow by row; the second half has an object-colour pair or a "
            "relation that training never showed.\n",
            *(f"{number}. {prompt}" for number, prompt in enumerate(prompts, 1)),
            "",
        ]
    )


def _write(path: Path, text: str) -> None:
    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def _scores_section(scores: Mapping[str, Any]) -> str:
    rows = [
        ("renders, seen by the judge", "judge"),
        ("prompts of fresh scenes", "fresh"),
        ("pairs or relations never seen together", "heldout"),
        ("all prompts", "all"),
    ]
    lines = [
        "## Scores",
        f"By a small judge trained on renders alone; {STEPS} DDIM steps, guidance {GUIDANCE:g}, "
        "bfloat16, one picture a prompt, none left out. Colour and size are asked of objects that "
        "were found, a relation where both were; amount is the rank correlation of asked and seen "
        f"snow. {scores['prompts']} prompts in all, half of them with something that training "
        "never showed together.",
        "",
        "| | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 1) + "|",
    ]
    for title, key in rows:
        lines.append(f"| {title} | " + " | ".join(_figure(scores[key], k) for k in KINDS) + " |")
    goals = " | ".join(f"≥ {WANTED[k]:.2f}" if k in WANTED else "" for k in KINDS)
    lines += [
        f"| wanted | {goals} |",
        "",
        f"Autoencoder: {scores['psnr']['fresh']:.1f} dB on fresh scenes (wanted: 28). "
        f"One picture takes {scores['seconds_a_picture']:.2f} s, the model loaded, on the "
        f"{scores['cores']} cores of the machine that wrote this card.",
        "",
    ]
    if short := [kind for kind, goal in WANTED.items() if not scores["all"].get(kind, 0.0) >= goal]:
        lines += [
            f"Below what was wanted: {', '.join(short)}. The loss was still falling when training "
            "ended; `--samples` with a larger number goes on from before the learning rate fell.",
            "",
        ]
    return "\n".join(lines)


def _figure(row: Mapping[str, float], kind: str) -> str:
    return f"{row[kind]:.3f}" if kind in row else "–"


def _data_section(rate: float) -> str:
    return (
        "## Data\nScenes composed by this package: one seed, one scene, "
        f"{rate:,.0f} a second with their captions on one core. Training takes the seeds "
        "0, 1, ... of the split `train`; the scores take other seeds of the splits `fresh` and "
        "`heldout`. One colour of every object, and a twelfth of all arrangements of two objects, "
        "never appear in training. The glyphs are Noto Color Emoji (SIL Open Font License 1.1, "
        "beside the sprite sheet); the places are painted by code. The weights are under the "
        "project's licence, Apache-2.0.\n"
    )


def _training_section(logs: Mapping[str, Sequence[Mapping[str, float]]], sizes: Any) -> str:
    lines = [
        "## Training",
        "| stage | samples | hours, one thread | last loss |",
        "|---|---|---|---|",
    ]
    for stage, log in logs.items():
        last = log[-1]
        hours = f"{last['seconds'] / 3600:.2f}"
        lines.append(f"| {stage} | {last['samples']:,.0f} | {hours} | {last['loss']:.3f} |")
    adopted = [f"{entry['samples']:,.0f}" for entry in logs["denoiser"] if entry.get("adopted")]
    sittings = (
        f"At {' and '.join(adopted)} samples the optimisers began anew from the exported weights. "
        if adopted
        else ""
    )
    counts = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in sizes.items())
    return "\n".join(
        [
            *lines,
            "",
            f"Parameters: {counts}. Hours are those of the clock, on a machine that was busy with "
            "other work. Seeds: 0 for the autoencoder, 1 for the denoiser, 2 for the judge.",
            "",
            "![Loss of the denoiser against samples seen](curve.png)",
            "",
            "The loss weighs objects more at first, so its beginning and its end do not compare; "
            f"where it jumps up, that weight was raised again to train longer. {sittings}"
            "Where a caption states a relation, the first two numbers of a noun's embedding are "
            "also asked to be its object's place, because the denoiser's loss alone left the text "
            "encoder blind to word order.",
            "",
        ]
    )


def _vocabulary_section() -> str:
    tables: dict[str, Iterable[str]] = {
        "Objects": OBJECTS,
        "Colours": COLOURS,
        "Sizes": SIZES,
        "Places": PLACES,
        "Relations": RELATIONS,
        "Falling snow": AMOUNTS,
        "Styles": STYLES,
    }
    lines = [f"- {title}: {', '.join(table)}." for title, table in tables.items()]
    return "\n".join(["## Vocabulary", *lines, "", "All words: " + ", ".join(words()) + ".", ""])


def _draw_sheet(path: Path, pictures: Sequence[NDArray[np.uint8]]) -> None:
    cell = SIDE + 2
    sheet = Image.new("RGB", (8 * cell, -(-len(pictures) // 8) * cell), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, 8)
        sheet.paste(Image.fromarray(picture), (column * cell + 1, row * cell + 1))
    write_atomically(path, lambda beside: sheet.save(beside, "JPEG", quality=90))


def draw_curve(path: Path, log: Sequence[Mapping[str, float]]) -> None:
    """Draw loss (logarithmic) against samples seen as a PNG of 720×360 pixels."""
    width, height, left, bottom, edge = 720, 360, 64, 40, 28
    image = Image.new("RGB", (width, height), "white")
    pen, face = ImageDraw.Draw(image), ImageFont.load_default(13)
    samples = np.array([entry["samples"] for entry in log])
    losses = np.log10([entry["loss"] for entry in log])
    low, high = float(losses.min()) - 0.03, float(losses.max()) + 0.03

    def spot(sample: float, loss: float) -> tuple[float, float]:
        across = left + (width - left - edge) * sample / samples.max()
        return across, edge + (height - bottom - edge) * (high - loss) / (high - low)

    for share in np.linspace(0, 1, 5):
        loss, sample = low + (high - low) * share, samples.max() * share
        (x0, y), (x1, _) = spot(0, loss), spot(samples.max(), loss)
        pen.line((x0, y, x1, y), fill="#dddddd")
        pen.text((x0 - 8, y), f"{10**loss:.2f}", fill="#555555", font=face, anchor="rm")
        x, y = spot(sample, low)
        pen.text((x, y + 8), f"{sample / 1000:.0f} k", fill="#555555", font=face, anchor="mt")
    points = [spot(s, v) for s, v in zip(samples.tolist(), losses.tolist(), strict=True)]
    pen.line(points, fill="#2b6cb0", width=2)
    title = "loss of the denoiser, by samples seen"
    pen.text((width - edge, 8), title, fill="#222222", font=face, anchor="rt")
    write_atomically(path, lambda beside: image.save(beside, "PNG", optimize=True))


def _seconds_a_picture(pipeline: StableDiffusionPipeline) -> float:
    """The median of three pictures, one after another, after one that warms up."""
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(os.cpu_count() or 1)
    for _ in range(4):
        started = time.perf_counter()
        pipeline(
            "a big red car left of a small blue balloon on a beach",
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(0),
        )
        times.append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    return statistics.median(times[1:])


def _scenes_a_second(count: int = 1000) -> float:
    """Scenes drawn and described in a second of one core's time, after some that warm up."""

    def draw(seeds: range) -> None:
        for scene in map(make_scene, seeds):
            render(scene)
            describe(scene)

    draw(range(count // 10))
    started = time.process_time()
    draw(range(count))
    return count / (time.process_time() - started)
