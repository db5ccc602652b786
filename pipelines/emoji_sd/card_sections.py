"""The parts of a model card that all models have which learned from these scenes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

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
from crossattn.pipelines.shipped import ShippedModel

KINDS = ("object", "colour", "size", "place", "relation", "style", "amount")


def scores_section(
    scores: Mapping[str, Any], model: ShippedModel, sampler: str, wanted: Mapping[str, float]
) -> str:
    """What the judge saw, as a table: `scores` is what scores.json holds, `wanted` are goals."""
    rows = [
        ("renders, seen by the judge", "judge"),
        ("prompts of fresh scenes", "fresh"),
        ("pairs or relations never seen together", "heldout"),
        ("all prompts", "all"),
    ]
    lines = [
        "## Scores",
        f"By a small judge trained on renders alone; {model.steps} {sampler} steps, guidance "
        f"{model.guidance:g}, "
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
    goals = " | ".join(f"≥ {wanted[k]:.2f}" if k in wanted else "" for k in KINDS)
    lines += [
        f"| wanted | {goals} |",
        "",
        f"Autoencoder: {scores['psnr']['fresh']:.1f} dB on fresh scenes (wanted: 28). "
        f"One picture takes {scores['seconds_a_picture']:.2f} s of processor time, the model "
        f"loaded, on {scores['threads']} thread(s) of the machine that wrote this card.",
        "",
    ]
    if short := [kind for kind, goal in wanted.items() if not scores["all"].get(kind, 0.0) >= goal]:
        lines += [
            f"Below what was wanted: {', '.join(short)}. More training (`--samples`) is what would "
            "mend it.",
            "",
        ]
    return "\n".join(lines)


def _figure(row: Mapping[str, float], kind: str) -> str:
    return f"{row[kind]:.3f}" if kind in row else "–"


def data_section(rate: float) -> str:
    """Where the scenes come from, of which `rate` are made in a second."""
    return (
        "## Data\nScenes composed by this package: one seed, one scene, "
        f"{rate:,.0f} a second with their captions on one core. Training takes the seeds "
        "0, 1, ... of the split `train`; the scores take other seeds of the splits `fresh` and "
        "`heldout`. One colour of every object, and a twelfth of all arrangements of two objects, "
        "never appear in training. The glyphs are Noto Color Emoji (SIL Open Font License 1.1, "
        "beside the sprite sheet); the places are painted by code. The weights are under the "
        "project's licence, Apache-2.0.\n"
    )


def vocabulary_section() -> str:
    """All that can be asked for."""
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


def prompts_section(prompts: Sequence[str]) -> str:
    """The prompts of the sheet, numbered."""
    return "\n".join(
        [
            "## Prompts of the sheet\nRow by row; the second half has an object-colour pair or a "
            "relation that training never showed.\n",
            *(f"{number}. {prompt}" for number, prompt in enumerate(prompts, 1)),
            "",
        ]
    )
