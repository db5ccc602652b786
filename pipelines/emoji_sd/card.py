"""The model card: everything measured, written by the code that measured it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline

from crossattn.pipelines.emoji_sd.card_pictures import draw_curve, draw_sheet
from crossattn.pipelines.emoji_sd.card_sections import (
    data_section,
    prompts_section,
    scores_section,
    vocabulary_section,
)
from crossattn.pipelines.emoji_sd.checkpoint import write_atomically
from crossattn.pipelines.emoji_sd.scenes import SIDE
from crossattn.pipelines.emoji_sd.scores import Drawn
from crossattn.pipelines.emoji_sd.speed import scenes_a_second, seconds_a_picture
from crossattn.pipelines.shipped import SHIPPED, ShippedModel

WANTED = {"object": 0.9, "colour": 0.9, "size": 0.8, "place": 0.97, "relation": 0.8, "amount": 0.8}

Logs = Mapping[str, Sequence[Mapping[str, Any]]]
CardText = Callable[[Mapping[str, Any], Sequence[str]], str]
"""A card in Markdown, from what scores.json holds and the prompts of the sheet."""

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


def measured(
    pipeline: DiffusionPipeline,
    model: ShippedModel,
    scores: Mapping[str, Any],
    parts: Mapping[str, str],
    logs: Logs,
    scenes: int,
) -> dict[str, Any]:
    """What scores.json holds: the scores, the logs, the sizes of the pipeline's `parts` (what
    people call them, and their names), and speeds, that of `scenes` scenes being made too."""
    sizes = {
        name: sum(p.numel() for p in getattr(pipeline, part).parameters())
        for name, part in parts.items()
    }
    return {
        **scores,
        "seconds_a_picture": seconds_a_picture(pipeline, model),
        "scenes_a_second": scenes_a_second(scenes),
        "threads": model.threads,
        "parameters": sizes,
        "logs": logs,
    }


def write_card(
    model: Path, figures: Mapping[str, Any], drawn: Sequence[Drawn], text: CardText
) -> None:
    """Write MODEL_CARD.md, scores.json, samples.jpg (of the pictures `drawn`) and curve.png (of
    the denoiser's log) into the model's folder."""
    draw_sheet(model / "samples.jpg", [picture for _, picture in drawn])
    draw_curve(model / "curve.png", figures["logs"]["denoiser"])
    card = text(figures, [prompt for prompt, _ in drawn])
    _write(model / "scores.json", json.dumps(figures, indent=1) + "\n")
    _write(model / "MODEL_CARD.md", card)


def _write(path: Path, text: str) -> None:
    def write(beside: Path) -> None:
        beside.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def card_text(figures: Mapping[str, Any], prompts: Sequence[str]) -> str:
    """emoji-sd's card in Markdown, from what scores.json holds and the prompts of the sheet."""
    return "\n".join(
        [
            _HEAD.format(side=SIDE),
            scores_section(figures, SHIPPED["emoji-sd"], "DDIM", WANTED),
            data_section(figures["scenes_a_second"]),
            _training_section(figures["logs"], figures["parameters"]),
            vocabulary_section(),
            prompts_section(prompts),
        ]
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
