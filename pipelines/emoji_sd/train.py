"""Train emoji-sd from nothing: `python -m crossattn.pipelines.emoji_sd.train`.

Every stage resumes from its last checkpoint; run again after an interruption, or with more
samples to go on from before the learning rate fell. Where no checkpoints are left, `--adopt` goes
on from an exported model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from crossattn.pipelines.emoji_sd import autoencoder as ae
from crossattn.pipelines.emoji_sd.ahead import Ahead
from crossattn.pipelines.emoji_sd.card import card_text, measured, write_card
from crossattn.pipelines.emoji_sd.checkpoint import Run, Schedule, load, write_atomically
from crossattn.pipelines.emoji_sd.denoiser import Denoiser, DenoiserLoss
from crossattn.pipelines.emoji_sd.export import assemble, export
from crossattn.pipelines.emoji_sd.judge import Judge, judge_loss, render_scenes
from crossattn.pipelines.emoji_sd.latents import LatentPool
from crossattn.pipelines.emoji_sd.scores import judge_renders, score, summarise
from crossattn.pipelines.emoji_sd.tokenizer import train_tokenizer
from crossattn.pipelines.emoji_sd.train_command import Chosen, walk
from crossattn.pipelines.shipped import SHIPPED

TRAINED = ("autoencoder", "decoder", "denoiser", "judge")
PARTS = {"denoiser": "unet", "text encoder": "text_encoder", "autoencoder": "vae"}


@dataclass(frozen=True)
class Plan:
    """The sizes of a whole training.

    `pool` scenes are encoded once, objects weigh more over the first `focus` samples, `prompts`
    of each kind are scored and `sheet` shown, and every `every` steps there is a checkpoint.
    """

    autoencoder: Schedule
    decoder: Schedule
    denoiser: Schedule
    judge: Schedule
    autoencoder_widths: tuple[int, ...] = (16, 32, 96, 128)
    denoiser_widths: tuple[int, ...] = (128, 192)
    text_width: int = 192
    captions: int = 20_000
    pool: int = 48_000
    focus: int = 250_000
    prompts: int = 256
    sheet: int = 64
    renders: int = 1000
    every: int = 100


FULL = Plan(
    autoencoder=Schedule(samples=27_000, batch=24, lr=3e-3, fall=0),
    decoder=Schedule(samples=24_000, batch=24, lr=3e-3),
    denoiser=Schedule(samples=300_000, batch=24, lr=2e-3),
    judge=Schedule(samples=30_000, batch=32, lr=2e-3, fall=0.4),
)
SMOKE = Plan(
    autoencoder=Schedule(samples=32, batch=8, lr=3e-3, warmup=2),
    decoder=Schedule(samples=32, batch=8, lr=3e-3, warmup=2),
    denoiser=Schedule(samples=32, batch=8, lr=2e-3, warmup=2),
    judge=Schedule(samples=32, batch=8, lr=2e-3, warmup=2),
    autoencoder_widths=(8, 8, 16, 16),
    denoiser_widths=(16, 32),
    text_width=16,
    captions=500,
    pool=16,
    focus=16,
    prompts=1,
    sheet=2,
    renders=32,
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

    def adopt(self, model: Path) -> None:
        """Lay checkpoints as if every stage had just ended with the parts of an exported model.

        The optimisers begin anew, and the logs say where. A folder that has checkpoints already
        raises FileExistsError.
        """
        if (self.folder / "denoiser.pt").exists():
            raise FileExistsError(f"{self.folder} has checkpoints: leave out --adopt to go on.")
        shutil.copytree(model / "tokenizer", self.folder / "tokenizer", dirs_exist_ok=True)
        pipeline = StableDiffusionPipeline.from_pretrained(model)
        denoiser = self._make_denoiser(self._load_tokenizer())
        denoiser.unet.load_state_dict(pipeline.unet.state_dict())
        denoiser.text.load_state_dict(pipeline.text_encoder.state_dict())
        logs = json.loads((model / "scores.json").read_text(encoding="utf-8"))["logs"]
        parts = {
            "autoencoder": (pipeline.vae, self.plan.autoencoder),
            "decoder": (pipeline.vae, self.plan.decoder),
            "denoiser": (denoiser, self.plan.denoiser),
            "judge": (Judge.load(model / "judge.safetensors"), self.plan.judge),
        }
        for stage, (part, schedule) in parts.items():
            log = [*logs[stage][:-1], logs[stage][-1] | {"adopted": True}]
            steps = int(log[-1]["samples"]) // schedule.batch
            ended = replace(schedule, samples=steps * schedule.batch)
            run = Run(stage, self.folder, part, ended, step=steps, log=log)
            run.seconds = log[-1]["seconds"]
            run.save(run.path)
        shutil.copy(self.folder / "autoencoder.pt", self._frozen)

    def stages(self) -> dict[str, Callable[[], None]]:
        """Every stage by name, in order; the decoder and the denoiser may run side by side."""
        return {
            "tokenizer": self.tokenizer,
            "autoencoder": self.autoencoder,
            "decoder": self.decoder,
            "denoiser": self.denoiser,
            "judge": self.judge,
            "export": self.export,
            "scores": self.scores,
        }

    def tokenizer(self) -> None:
        """Learn the merges, unless that is done: it is too quick to have checkpoints."""
        if not (self.folder / "tokenizer" / "vocab.json").exists():
            train_tokenizer(self.folder / "tokenizer", self.plan.captions)

    def autoencoder(self) -> None:
        """Train encoder and decoder together, then fix and whiten the latents for good."""
        torch.manual_seed(0)
        model = ae.make_autoencoder(self.plan.autoencoder_widths).to(self.device)
        schedule = self.plan.autoencoder
        run = Run("autoencoder", self.folder, model, schedule, decay=0.995)
        with Ahead(partial(ae.render_pixels, batch=schedule.batch), self.workers) as rendered:
            run.train(ae.autoencoder_loss(model, rendered), self.plan.every)
        if not self._frozen.exists():
            model.load_state_dict(run.average)
            ae.whiten(model.eval(), 2 * self.plan.renders)
            state = {"average": model.state_dict(), "log": run.log, "seconds": run.seconds}
            write_atomically(self._frozen, lambda beside: torch.save(state, beside))

    def decoder(self) -> None:
        """Train the decoder further against the fixed latents."""
        model = self._load_autoencoder(self._frozen)
        model.encoder.requires_grad_(False)
        model.quant_conv.requires_grad_(False)
        schedule = self.plan.decoder
        run = Run("decoder", self.folder, model, schedule, decay=0.995)
        with Ahead(partial(ae.render_pixels, batch=schedule.batch), self.workers) as rendered:
            run.train(ae.decoder_loss(model, rendered), self.plan.every)

    def denoiser(self) -> None:
        """Train the denoiser and the text encoder."""
        torch.manual_seed(1)
        tokenizer, schedule = self._load_tokenizer(), self.plan.denoiser
        model = self._make_denoiser(tokenizer).to(self.device)
        if self.device.type == "cuda":
            model.hasten()
        pool = LatentPool(
            self.folder / "latents.f16",
            self._load_autoencoder(self._frozen),
            self.plan.pool,
            schedule.batch,
            self.workers,
        )
        run = Run("denoiser", self.folder, model, schedule, decay=0.998)
        with pool.rendered:
            run.train(DenoiserLoss(model, tokenizer, pool, self.plan.focus), self.plan.every)

    def judge(self) -> None:
        """Train the judge."""
        torch.manual_seed(2)
        model, schedule = Judge().to(self.device), self.plan.judge
        run = Run("judge", self.folder, model, schedule, decay=0.99)
        with Ahead(partial(render_scenes, batch=schedule.batch), self.workers) as rendered:
            run.train(judge_loss(model, rendered), self.plan.every)

    def export(self) -> None:
        """Write the model's folder from the latest averaged weights of every stage."""
        tokenizer = self._load_tokenizer()
        denoiser = self._make_denoiser(tokenizer)
        denoiser.load_state_dict(load(self.folder / "denoiser.pt")["average"])
        decoder = self.folder / "decoder.pt"
        autoencoder = self._load_autoencoder(decoder if decoder.exists() else self._frozen)
        pipeline = assemble(autoencoder.cpu(), denoiser, tokenizer)
        export(pipeline, self.model, self.folder / "tokenizer")
        judge = Judge()
        judge.load_state_dict(load(self.folder / "judge.pt")["average"])
        judge.save(self.model / "judge.safetensors")

    def scores(self) -> None:
        """Score the exported folder and write its model card."""
        pipeline = StableDiffusionPipeline.from_pretrained(self.model).to(self.device)
        pipeline.set_progress_bar_config(disable=True)
        judge, shipped = Judge.load(self.model / "judge.safetensors"), SHIPPED["emoji-sd"]
        tallies, drawn = score(
            pipeline,
            judge,
            shipped,
            self.plan.prompts,
            self.plan.sheet // 2,
            self.folder / "scores",
        )
        result = summarise(tallies)
        result["judge"] = judge_renders(judge, self.plan.renders)
        result["psnr"] = {"fresh": ae.psnr(pipeline.vae, self.plan.renders // 4)}
        logs = {stage: load(self.folder / f"{stage}.pt")["log"] for stage in TRAINED}
        figures = measured(pipeline, shipped, result, PARTS, logs, self.plan.renders)
        write_card(self.model, figures, drawn, card_text)

    @property
    def _frozen(self) -> Path:
        return self.folder / "autoencoder.frozen.pt"

    def _load_tokenizer(self) -> CLIPTokenizer:
        return CLIPTokenizer.from_pretrained(str(self.folder / "tokenizer"))

    def _make_denoiser(self, tokenizer: CLIPTokenizer) -> Denoiser:
        return Denoiser(tokenizer, self.plan.denoiser_widths, self.plan.text_width)

    def _load_autoencoder(self, checkpoint: Path) -> AutoencoderKL:
        model = ae.make_autoencoder(self.plan.autoencoder_widths)
        model.load_state_dict(load(checkpoint)["average"])
        return model.to(self.device)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages that the command line asks for."""

    def make(chosen: Chosen) -> Training:
        plan = SMOKE if chosen.smoke else FULL
        if chosen.samples is not None:
            plan = replace(plan, denoiser=replace(plan.denoiser, samples=chosen.samples))
        return Training(plan, chosen.folder, chosen.model, chosen.device, chosen.workers)

    walk(arguments, "emoji-sd", __doc__, make)


if __name__ == "__main__":
    main()
