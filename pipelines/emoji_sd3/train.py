"""Train emoji-sd3 from nothing: `python -m crossattn.pipelines.emoji_sd3.train`.

Every stage resumes from its last checkpoint; run again after an interruption, or with more
samples to go on from before the learning rate fell. `--adopt` goes on from an exported model, or
from weights that were trained elsewhere; `--device cuda` trains on a GPU. What ships of the
exported folder is its transformer and the first two text encoders: the rest is emoji-sd's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusion3Pipeline
from transformers import CLIPTokenizer

from crossattn.pipelines.emoji_sd import model_path as emoji_sd_path
from crossattn.pipelines.emoji_sd.card import measured, write_card
from crossattn.pipelines.emoji_sd.checkpoint import Run, Schedule, load
from crossattn.pipelines.emoji_sd.judge import Judge
from crossattn.pipelines.emoji_sd.latents import LatentPool
from crossattn.pipelines.emoji_sd.scores import score, summarise
from crossattn.pipelines.emoji_sd.train_command import Chosen, walk
from crossattn.pipelines.emoji_sd3.card import PROTOTYPE, card_text
from crossattn.pipelines.emoji_sd3.denoiser import FlowLoss, JointDenoiser, make_scheduler
from crossattn.pipelines.emoji_sd3.export import export_whole
from crossattn.pipelines.shipped import SHIPPED

OWN_PARTS = ("transformer", "text_encoder", "text_encoder_2")
PARTS = {
    "denoiser": "transformer",
    "first text encoder": "text_encoder",
    "second text encoder": "text_encoder_2",
    "autoencoder": "vae",
}


@dataclass(frozen=True)
class Plan:
    """The sizes of a whole training.

    `pool` scenes are encoded once, objects weigh more over the first `focus` samples, `prompts`
    of each kind are scored and `sheet` shown, `scenes` are made to time them, and every `every`
    steps there is a checkpoint.
    """

    denoiser: Schedule
    width: int = 256
    layers: int = 6
    pool: int = 300_000
    focus: int = 384_000
    prompts: int = 128
    sheet: int = 64
    scenes: int = 1000
    every: int = 100


FULL = Plan(denoiser=Schedule(samples=480_000, batch=192, lr=2e-3, warmup=200, fall=0.4))
SMOKE = Plan(
    denoiser=Schedule(samples=16, batch=4, lr=2e-3, warmup=2),
    width=64,
    layers=1,
    pool=8,
    focus=8,
    prompts=1,
    sheet=2,
    scenes=10,
    every=2,
)


class Training:
    """One training: its plan, the folder of its checkpoints, the folder it exports to, the device
    it trains on, and how many processes render scenes ahead."""

    def __init__(
        self, plan: Plan, folder: Path, model: Path, device: torch.device, workers: int
    ) -> None:
        self.plan, self.folder, self.model = plan, folder, model
        self.device, self.workers = device, workers
        self.tokenizer = CLIPTokenizer.from_pretrained(str(emoji_sd_path() / "tokenizer"))

    def adopt(self, model: Path) -> None:
        """Lay a checkpoint as if the training had just ended with that folder's parts.

        The optimisers begin anew. A folder that has a checkpoint already raises FileExistsError,
        one without a log FileNotFoundError.
        """
        if self._checkpoint.exists():
            raise FileExistsError(f"{self.folder} has a checkpoint: leave out --adopt to go on.")
        log = _log_of(model)
        denoiser = self._make_denoiser()
        for part in OWN_PARTS:
            ours = getattr(denoiser, part)
            ours.load_state_dict(type(ours).from_pretrained(model / part).state_dict())
        schedule = self.plan.denoiser
        steps = int(log[-1]["samples"]) // schedule.batch
        ended = replace(schedule, samples=steps * schedule.batch)
        run = Run("denoiser", self.folder, denoiser, ended, step=steps, log=log)
        run.seconds = log[-1]["seconds"]
        run.save(run.path)

    def stages(self) -> dict[str, Callable[[], None]]:
        """Every stage by name, in order."""
        return {"denoiser": self.denoiser, "export": self.export, "scores": self.scores}

    def denoiser(self) -> None:
        """Train the transformer and the text encoders."""
        torch.manual_seed(1)
        model, schedule = self._make_denoiser().to(self.device), self.plan.denoiser
        if self.device.type == "cuda":
            model.hasten()
        autoencoder = AutoencoderKL.from_pretrained(emoji_sd_path() / "vae").to(self.device)
        latents = self.folder / "latents.f16"
        pool = LatentPool(latents, autoencoder, self.plan.pool, schedule.batch, self.workers)
        run = Run("denoiser", self.folder, model, schedule, decay=0.998)
        with pool.rendered:
            run.train(FlowLoss(model, self.tokenizer, pool, self.plan.focus), self.plan.every)

    def export(self) -> None:
        """Write the model's whole folder from the latest averaged weights."""
        denoiser = self._make_denoiser()
        denoiser.load_state_dict(load(self._checkpoint)["average"])
        pipeline = StableDiffusion3Pipeline(
            vae=AutoencoderKL.from_pretrained(emoji_sd_path() / "vae"),
            tokenizer=self.tokenizer,
            tokenizer_2=self.tokenizer,
            tokenizer_3=None,
            text_encoder_3=None,
            scheduler=make_scheduler(),
            **{part: getattr(denoiser, part).eval() for part in OWN_PARTS},
        )
        export_whole(pipeline, self.model)

    def scores(self) -> None:
        """Score the exported folder and write its model card."""
        pipeline = StableDiffusion3Pipeline.from_pretrained(self.model).to(self.device)
        pipeline.set_progress_bar_config(disable=True)
        plan, shipped = self.plan, SHIPPED["emoji-sd3"]
        judge, pictures = Judge.load(), self.folder / "scores"
        tallies, drawn = score(pipeline, judge, shipped, plan.prompts, plan.sheet // 2, pictures)
        known = json.loads((emoji_sd_path() / "scores.json").read_text(encoding="utf-8"))
        result = {**summarise(tallies), "judge": known["judge"], "psnr": known["psnr"]}
        logs = {"denoiser": load(self._checkpoint)["log"]}
        figures = measured(pipeline, shipped, result, PARTS, logs, plan.scenes)
        write_card(self.model, figures, drawn, card_text)

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "denoiser.pt"

    def _make_denoiser(self) -> JointDenoiser:
        return JointDenoiser(self.tokenizer, self.plan.width, self.plan.layers)


def _log_of(model: Path) -> list[dict[str, Any]]:
    """The log of an exported model, or of weights that the prototype left."""
    exported = model / "scores.json"
    if exported.exists():
        log: list[dict[str, Any]] = json.loads(exported.read_text(encoding="utf-8"))["logs"][
            "denoiser"
        ]
        return log
    left = json.loads((model / "training-log.json").read_text(encoding="utf-8"))["log"]
    kept = ("samples", "loss", "seconds")
    return [{key: line[key] for key in kept} | {"trained_by": PROTOTYPE} for line in left]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages that the command line asks for."""

    def make(chosen: Chosen) -> Training:
        plan = SMOKE if chosen.smoke else FULL
        if chosen.samples is not None:
            plan = replace(plan, denoiser=replace(plan.denoiser, samples=chosen.samples))
        return Training(plan, chosen.folder, chosen.model, chosen.device, chosen.workers)

    walk(arguments, "emoji-sd3", __doc__, make)


if __name__ == "__main__":
    main()
