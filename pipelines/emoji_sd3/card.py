"""emoji-sd3's model card: everything measured, and where the weights came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossattn.pipelines.emoji_sd.card_sections import (
    data_section,
    prompts_section,
    scores_section,
    vocabulary_section,
)
from crossattn.pipelines.emoji_sd.scenes import SIDE
from crossattn.pipelines.shipped import SHIPPED

WANTED = {
    "object": 0.92,
    "colour": 0.9,
    "size": 0.9,
    "place": 0.97,
    "relation": 0.97,
    "amount": 0.9,
}
PROTOTYPE = "prototype"
"""What the log says of a line by which the weights were trained elsewhere."""

_HEAD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---
# emoji-sd3

A small Stable Diffusion 3 that draws emoji on painted places, {side}×{side} pixels: a transformer
whose words and picture attend to each other in one sequence, trained on scenes whose truth is
known. Its autoencoder and its tokenizer are emoji-sd's own files. It draws in {steps} steps at
guidance {guidance:g}, with `max_sequence_length={sequence}`. `load("emoji-sd3")` of
`crossattn.pipelines.load` gives a `StableDiffusion3Pipeline`, and
`python -m crossattn.pipelines.emoji_sd3.export FOLDER` writes a folder that any tool for Stable
Diffusion 3 loads. It is for teaching, tests and measurements, and knows nothing outside its
vocabulary.

![Some of the prompts that were scored, drawn once and not chosen](samples.jpg)
"""


def card_text(figures: Mapping[str, Any], prompts: Sequence[str]) -> str:
    """The card in Markdown, from what scores.json holds and the prompts of the sheet."""
    model = SHIPPED["emoji-sd3"]
    head = _HEAD.format(
        side=SIDE, steps=model.steps, guidance=model.guidance, sequence=model.sequence
    )
    return "\n".join(
        [
            head,
            scores_section(figures, model, "flow-matching Euler", WANTED),
            data_section(figures["scenes_a_second"]),
            training_section(figures["logs"]["denoiser"], figures["parameters"]),
            vocabulary_section(),
            prompts_section(prompts),
        ]
    )


def training_section(log: Sequence[Mapping[str, Any]], sizes: Mapping[str, int]) -> str:
    """Where the weights came from, by their log's own account."""
    counts = ", ".join(f"{name} {count / 1e6:.1f} M" for name, count in sizes.items())
    return "\n".join(
        [
            "## Training",
            _history(log),
            "",
            f"Parameters: {counts}. The autoencoder and the judge were trained with emoji-sd; its "
            "card has their figures.",
            "",
            "![Loss of the denoiser against samples seen](curve.png)",
            "",
            "The loss weighs objects more at first, so its beginning and its end do not compare.",
            "",
        ]
    )


def _history(log: Sequence[Mapping[str, Any]]) -> str:
    given = [line for line in log if line.get("trained_by") == PROTOTYPE]
    own = log[len(given) :]
    said = []
    if given:
        last = given[-1]
        said.append(
            "The weights are not of this package's own training. A throw-away prototype of it made "
            "them, once, on one H100 GPU, from the same scenes, captions and latents: its log "
            f"ends at {last['samples']:,.0f} samples, a loss of {last['loss']:.3f} and "
            f"{last['seconds']:,.0f} seconds. It also asked nouns for the places of their objects, "
            "as emoji-sd's training does; that part of its loss never fell, and the training here "
            "does without. They were taken over as they were (`--adopt`)"
            + ("." if own else ", and not trained since.")
        )
    if own:
        before = given[-1]["samples"] if given else 0
        last = own[-1]
        said.append(
            f"This package's training (`python -m crossattn.pipelines.emoji_sd3.train`) "
            f"{'went on for' if given else 'took'} {last['samples'] - before:,.0f} samples, to a "
            f"loss of {last['loss']:.3f}."
        )
    return " ".join(said)
