"""Train emoji-sd from nothing: `python -m crossattn.pipelines.emoji_sd.train`.

Every stage resumes from its last checkpoint; run again after an interruption, or with more
samples to go on from before the learning rate fell. Where no checkpoints are left, `--adopt` goes
on from an exported model.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from crossattn.pipelines.emoji_sd import autoencoder as ae
from crossattn.pipelines.emoji_sd.card import write_card
from crossattn.pipelines.emoji_sd.checkpoint import Run, Schedule, load, write_atomically
from crossattn.pipelines.emoji_sd.denoiser import Denoiser, DenoiserLoss, LatentPool
from crossattn.pipelines.emoji_sd.export import assemble, export
from crossattn.pipelines.emoji_sd.judge import Judge, judge_loss
from crossattn.pipelines.emoji_sd.scores import judge_renders, score, summarise
from crossattn.pipelines.emoji_sd.tokenizer import train_tokenizer


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
    """One training: its plan, the folder of its checkpoints, and the folder it exports to."""

    def __init__(self, plan: Plan, folder: Path, model: Path) -> None:
        self.plan, self.folder, self.model = plan, folder, model

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
        model = ae.make_autoencoder(self.plan.autoencoder_widths)
        schedule = self.plan.autoencoder
        run = Run("autoencoder", self.folder, model, schedule, decay=0.995)
        run.train(ae.autoencoder_loss(model, schedule.batch), self.plan.every)
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
        run.train(ae.decoder_loss(model, schedule.batch), self.plan.every)

    def denoiser(self) -> None:
        """Train the denoiser and the text encoder."""
        torch.manual_seed(1)
        tokenizer, schedule = self._load_tokenizer(), self.plan.denoiser
        model = self._make_denoiser(tokenizer)
        frozen = self._load_autoencoder(self._frozen)
        pool = LatentPool(self.folder / "latents.f16", frozen, self.plan.pool)
        loss = DenoiserLoss(model, tokenizer, pool, schedule.batch, self.plan.focus)
        Run("denoiser", self.folder, model, schedule, decay=0.998).train(loss, self.plan.every)

    def judge(self) -> None:
        """Train the judge."""
        torch.manual_seed(2)
        model, schedule = Judge(), self.plan.judge
        run = Run("judge", self.folder, model, schedule, decay=0.99)
        run.train(judge_loss(model, schedule.batch), self.plan.every)

    def export(self) -> None:
        """Write the model's folder from the latest averaged weights of every stage."""
        tokenizer = self._load_tokenizer()
        denoiser = self._make_denoiser(tokenizer)
        denoiser.load_state_dict(load(self.folder / "denoiser.pt")["average"])
        decoder = self.folder / "decoder.pt"
        autoencoder = self._load_autoencoder(decoder if decoder.exists() else self._frozen)
        pipeline = assemble(autoencoder, denoiser, tokenizer)
        export(pipeline, self.model, self.folder / "tokenizer")
        judge = Judge()
        judge.load_state_dict(load(self.folder / "judge.pt")["average"])
        judge.save(self.model / "judge.safetensors")

    def scores(self) -> None:
        """Score the exported folder and write its model card."""
        pipeline = StableDiffusionPipeline.from_pretrained(self.model)
        pipeline.set_progress_bar_config(disable=True)
        judge = Judge.load(self.model / "judge.safetensors")
        tallies, drawn = score(pipeline, judge, self.plan.prompts, self.plan.sheet // 2)
        result = summarise(tallies)
        result["judge"] = judge_renders(judge, self.plan.renders)
        result["psnr"] = {"fresh": ae.psnr(pipeline.vae, self.plan.renders // 4)}
        write_card(self.model, self.folder, pipeline, result, drawn)

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
        return model


def default_folder() -> Path:
    """Where checkpoints lie: outside any repository, in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "crossattn" / "emoji-sd"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages that the command line asks for, on one thread."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--out", type=Path, default=default_folder(), help="checkpoints")
    parser.add_argument("--model", type=Path, help="exported folder (default: OUT/model)")
    parser.add_argument("--stage", action="append", help="only this stage (may be repeated)")
    parser.add_argument("--adopt", type=Path, help="go on from this exported model's parts")
    parser.add_argument("--samples", type=int, help="the denoiser's samples in all sittings")
    parser.add_argument("--smoke", action="store_true", help="the whole path in two minutes")
    chosen = parser.parse_args(arguments)
    plan = SMOKE if chosen.smoke else FULL
    if chosen.samples is not None:
        plan = replace(plan, denoiser=replace(plan.denoiser, samples=chosen.samples))
    torch.set_num_threads(1)
    training = Training(plan, chosen.out, chosen.model or chosen.out / "model")
    if chosen.adopt is not None:
        try:
            training.adopt(chosen.adopt)
        except OSError as error:
            parser.error(f"--adopt {chosen.adopt} cannot be gone on from: {error}")
    stages = training.stages()
    for name in chosen.stage or stages:
        if name not in stages:
            parser.error(f"--stage takes one of {', '.join(stages)}, and got {name}.")
        stages[name]()


if __name__ == "__main__":
    main()
