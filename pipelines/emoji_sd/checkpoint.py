"""Training that can stop at any moment: atomic checkpoints, exact resuming, honest extension."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crossattn.pipelines.emoji_sd.muon import optimisers


@dataclass(frozen=True)
class Schedule:
    """How long a stage trains: `samples` in batches of `batch`, the rate rising over `warmup`
    steps, then constant, and falling linearly to nothing over the last `fall` of the run."""

    samples: int
    batch: int
    lr: float
    warmup: int = 100
    fall: float = 0.3

    @property
    def steps(self) -> int:
        """The number of optimiser steps."""
        return self.samples // self.batch

    @property
    def fall_from(self) -> int:
        """The first step of the learning rate's fall."""
        return round(self.steps * (1 - self.fall))

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        rising = min(1.0, (step + 1) / self.warmup)
        falling = min(1.0, (self.steps - step) / max(self.steps - self.fall_from, 1))
        return self.lr * min(rising, falling)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place, flush it to the disk, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    write(beside)
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    beside.replace(path)


def seeded(stage: str, step: int) -> torch.Generator:
    """The randomness of one step of one stage; a pure function, so resuming needs no state."""
    name = int.from_bytes(stage.encode()[:3].ljust(3, b"\0"), "big")
    return torch.Generator().manual_seed((name << 32) + step)


@dataclass
class Run:
    """One stage's training: its model, optimisers, averaged weights, step and log.

    `model` lies on the device that it trains on, and `decay` is the averaging of the weights a step
    (0: none). Checkpoints lie in `folder` as
    `<stage>.pt`, and `<stage>.stable.pt` from just before the learning rate fell: a later, longer
    run continues from that one.
    """

    stage: str
    folder: Path
    model: nn.Module
    schedule: Schedule
    decay: float = 0.0
    step: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimisers = optimisers(self.model, self.schedule.lr)
        self.average = {
            name: weight.detach().clone() for name, weight in self.model.state_dict().items()
        }

    @property
    def path(self) -> Path:
        """Where the latest checkpoint lies."""
        return self.folder / f"{self.stage}.pt"

    @property
    def stable_path(self) -> Path:
        """Where the checkpoint from before the fall of the learning rate lies."""
        return self.folder / f"{self.stage}.stable.pt"

    def train(
        self,
        loss: Callable[[int], Tensor],
        every: int = 200,
        until: int | None = None,
        watch: Callable[[Run], None] | None = None,
    ) -> None:
        """Resume from the last checkpoint, if any, and train to the end of the schedule.

        `loss` gives a step's loss as a scalar; a checkpoint is written every `every` steps, and
        `watch` called after it. `until` stops early, as an interruption would.
        """
        self.resume()
        started, losses = time.monotonic() - self.seconds, list[Tensor]()
        while self.step < self.schedule.steps and self.step != until:
            if self.step == self.schedule.fall_from:
                self.save(self.stable_path)
            losses.append(self._advance(loss))
            self.seconds = time.monotonic() - started
            if self.step % every == 0 or self.step == self.schedule.steps:
                self._note(torch.stack(losses).mean().item())
                losses.clear()
                self.save(self.path)
                if watch is not None:
                    watch(self)

    def _advance(self, loss: Callable[[int], Tensor]) -> Tensor:
        # Nothing here waits for a device: the losses are read when they are noted.
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.schedule.rate(self.step)
        value = loss(self.step)
        value.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        decay = min(self.decay, self.step / (self.step + 10))
        weights = {n: w for n, w in self.model.state_dict().items() if w.is_floating_point()}
        averages = [self.average[name] for name in weights]
        torch._foreach_lerp_(averages, list(weights.values()), 1 - decay)
        return value.detach()

    def _note(self, loss: float) -> None:
        samples = self.step * self.schedule.batch
        self.log.append({"samples": samples, "loss": loss, "seconds": round(self.seconds)})
        print(f"{self.stage}: {json.dumps(self.log[-1])}", flush=True)

    def save(self, path: Path) -> None:
        """Write everything that this run would resume from."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "steps": self.schedule.steps,
            "fall_from": self.schedule.fall_from,
            "seconds": self.seconds,
            "log": self.log,
        }
        write_atomically(path, lambda beside: torch.save(state, beside))

    def resume(self) -> None:
        """Load the checkpoint to continue from: the latest one, or, when the run has since been
        made longer and the rate had begun to fall, the one from before that fall."""
        if not self.path.exists():
            return
        state = load(self.path)
        fell = state["step"] > state["fall_from"] and state["steps"] != self.schedule.steps
        if fell and self.stable_path.exists():
            state = load(self.stable_path)
        self.model.load_state_dict(state["model"])
        self.average = {
            name: weight.to(self.average[name].device) for name, weight in state["average"].items()
        }
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.step, self.seconds, self.log = state["step"], state["seconds"], state["log"]


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint of this module's making, onto the CPU wherever it was made."""
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state
