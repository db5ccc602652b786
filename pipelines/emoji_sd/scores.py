"""Scores: whether pictures show what their prompts ask for, as the judge sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray
from PIL import Image

from crossattn.pipelines.emoji_sd.captions import describe
from crossattn.pipelines.emoji_sd.checkpoint import write_atomically
from crossattn.pipelines.emoji_sd.device import autocast
from crossattn.pipelines.emoji_sd.judge import Judge, Verdict, relation
from crossattn.pipelines.emoji_sd.scenes import Scene, Split, make_scene, render
from crossattn.pipelines.emoji_sd.vocabulary import AMOUNTS
from crossattn.pipelines.shipped import ShippedModel

FIRST_SEED = 2**22
SCORED: tuple[Split, ...] = ("fresh", "heldout")

Drawn = tuple[str, NDArray[np.uint8]]
"""A prompt and its picture (128, 128, 3), 0 to 255."""


@dataclass
class Tally:
    """Right answers and questions by kind, and the asked and seen amounts of snow."""

    right: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    amounts: list[tuple[int, int]] = field(default_factory=list)

    def ask(self, kind: str, right: bool) -> None:
        """Count one question."""
        self.right[kind] = self.right.get(kind, 0) + right
        self.asked[kind] = self.asked.get(kind, 0) + 1

    def add(self, scene: Scene, verdict: Verdict) -> None:
        """Count what the scene's caption says. Colour and size are asked of objects that are
        there, a relation where both are; each is asked only if the caption says it."""
        spans = describe(scene).spans
        seen = [verdict.find(thing.name) for thing in scene.things]
        for index, (thing, found) in enumerate(zip(scene.things, seen, strict=True)):
            self.ask("object", found is not None)
            if found is not None and thing.colour is not None:
                self.ask("colour", found.colour == thing.colour)
            if found is not None and f"size:{index}" in spans:
                self.ask("size", found.size == thing.size)
        if "relation" in spans and seen[0] is not None and seen[1] is not None:
            self.ask("relation", relation(seen[0], seen[1]) == scene.relation)
        if "place" in spans:
            self.ask("place", verdict.place == scene.place)
        self.ask("style", verdict.style == scene.style)
        amounts = list(AMOUNTS)
        self.amounts.append((amounts.index(scene.amount), amounts.index(verdict.amount)))

    def summary(self) -> dict[str, float]:
        """The share of right answers of each kind, from 0 to 1, and under "amount" the rank
        correlation of the asked with the seen amounts of snow."""
        shares = {kind: self.right[kind] / asked for kind, asked in self.asked.items()}
        return shares | {"amount": rank_correlation(np.array(self.amounts, np.float64))}


def rank_correlation(pairs: NDArray[np.float64]) -> float:
    """Spearman's rank correlation of (count, 2) numbers; equal numbers share their mean rank."""
    if len(pairs) < 2 or (pairs == pairs[0]).all(axis=0).any():
        return float("nan")
    ranks = [_ranks(pairs[:, 0]), _ranks(pairs[:, 1])]
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank = np.asarray(np.cumsum(counts) - (counts - 1) / 2, np.float64)
    return mean_rank[place]


def asked_scenes(split: Split, count: int) -> list[Scene]:
    """The scenes whose captions are the prompts of the scores; no training uses their seeds."""
    return [make_scene(seed, split) for seed in range(FIRST_SEED, FIRST_SEED + count)]


def judge_renders(judge: Judge, count: int = 1000) -> dict[str, float]:
    """The judge's own accuracy over fresh renders, asked the same questions."""
    tally, asked = Tally(), asked_scenes("fresh", count)
    for group in _groups(asked, 50):
        verdicts = judge.look([render(scene).pixels for scene in group])
        for scene, verdict in zip(group, verdicts, strict=True):
            tally.add(scene, verdict)
    return tally.summary()


@torch.inference_mode()
def draw(
    pipeline: DiffusionPipeline, scenes: Sequence[Scene], model: ShippedModel, first_seed: int = 0
) -> Iterator[NDArray[np.uint8]]:
    """A picture (128, 128, 3), 0 to 255, of every scene's caption, drawn as the model draws: the
    seeds first_seed, first_seed + 1, ..., in mixed precision."""
    for seed, scene in enumerate(scenes, first_seed):
        with autocast(pipeline.device):
            [picture] = pipeline(
                describe(scene).text,
                num_inference_steps=model.steps,
                guidance_scale=model.guidance,
                generator=torch.Generator().manual_seed(seed),
                output_type="np",
                **model.options,
            ).images
        yield (picture * 255).round().astype(np.uint8)


def score(
    pipeline: DiffusionPipeline,
    judge: Judge,
    model: ShippedModel,
    count: int,
    keep: int,
    folder: Path,
) -> tuple[dict[str, Tally], list[Drawn]]:
    """Draw and judge `count` prompts of fresh scenes ("fresh") and as many with a pair or relation
    that training never showed ("heldout"); the first `keep` pictures of both come back too.

    Pictures are kept in `folder` under the weights' digest: what was drawn before an interruption
    is not drawn again.
    """
    folder = folder / digest(pipeline)
    folder.mkdir(parents=True, exist_ok=True)
    tallies: dict[str, Tally] = {}
    kept: list[Drawn] = []
    for split in SCORED:
        tally = Tally()
        for index, scene in enumerate(asked_scenes(split, count)):
            path = folder / f"{split}-{index:04}.png"
            if not path.exists():
                [drawn] = draw(pipeline, [scene], model, index)
                image = Image.fromarray(drawn)
                write_atomically(path, partial(image.save, format="PNG"))
                print(f"scores: {index + 1} of {count} {split} prompts", flush=True)
            with Image.open(path) as opened:
                picture = np.asarray(opened)
            tally.add(scene, judge.look([picture])[0])
            if index < keep:
                kept.append((describe(scene).text, picture))
        tallies[split] = tally
    return tallies, kept


def digest(pipeline: DiffusionPipeline) -> str:
    """A name for what a pipeline draws with: 12 hexadecimal digits of all its weights."""
    known = sha256()
    for _, part in sorted(pipeline.components.items()):
        if isinstance(part, torch.nn.Module):
            for weight in part.state_dict().values():
                known.update(weight.cpu().contiguous().view(torch.uint8).numpy().data)
    return known.hexdigest()[:12]


def summarise(tallies: dict[str, Tally]) -> dict[str, Any]:
    """Every tally's shares by name, those of "all" together, and the number of "prompts"."""
    together = Tally()
    for tally in tallies.values():
        for kind, asked in tally.asked.items():
            together.asked[kind] = together.asked.get(kind, 0) + asked
            together.right[kind] = together.right.get(kind, 0) + tally.right[kind]
        together.amounts += tally.amounts
    summaries = {name: tally.summary() for name, tally in {**tallies, "all": together}.items()}
    return {**summaries, "asked": together.asked, "prompts": len(together.amounts)}


def _groups(scenes: Sequence[Scene], size: int) -> Iterator[Sequence[Scene]]:
    return (scenes[i : i + size] for i in range(0, len(scenes), size))
