"""The command line of a training: its stages in order, each resuming where it stopped."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch


class Stages(Protocol):
    """A training that the command can walk through."""

    def adopt(self, model: Path) -> None:
        """Lay checkpoints as if every stage had just ended with that model's parts."""

    def stages(self) -> dict[str, Callable[[], None]]:
        """Every stage by name, in order."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen on the command line.

    `folder` is that of the checkpoints, `model` the one to export to; `samples` are the denoiser's
    in all sittings (None: the plan's); scenes are rendered ahead by `workers` processes.
    """

    folder: Path
    model: Path
    smoke: bool
    samples: int | None
    device: torch.device
    workers: int


def default_folder(name: str) -> Path:
    """Where a model's checkpoints lie: outside any repository, in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "crossattn" / name


def walk(
    arguments: Sequence[str] | None,
    name: str,
    description: str | None,
    make: Callable[[Chosen], Stages],
) -> None:
    """Run the stages that the command line asks for, on one thread and, if asked, a GPU."""
    parser = argparse.ArgumentParser(prog="train", description=description)
    parser.add_argument("--out", type=Path, default=default_folder(name), help="checkpoints")
    parser.add_argument("--model", type=Path, help="exported folder (default: OUT/model)")
    parser.add_argument("--stage", action="append", help="only this stage (may be repeated)")
    parser.add_argument("--adopt", type=Path, help="go on from this model's parts")
    parser.add_argument("--samples", type=int, help="the denoiser's samples in all sittings")
    parser.add_argument("--device", default="cpu", help="cpu (the default), cuda, cuda:1 or mps")
    parser.add_argument("--workers", type=int, help="processes that render (default: 0 on a CPU)")
    parser.add_argument("--smoke", action="store_true", help="the whole path, tiny")
    read = parser.parse_args(arguments)
    try:
        device = torch.device(read.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0]
        parser.error(f"--device {read.device} cannot be trained on: {said}")
    workers = read.workers
    if workers is None:
        workers = 0 if device.type == "cpu" else max(1, (os.cpu_count() or 1) - 1)
    torch.set_num_threads(1)
    out = read.out
    chosen = Chosen(out, read.model or out / "model", read.smoke, read.samples, device, workers)
    training = make(chosen)
    stages = training.stages()
    for stage in read.stage or ():
        if stage not in stages:
            parser.error(f"--stage takes one of {', '.join(stages)}, and got {stage}.")
    if read.adopt is not None:
        try:
            training.adopt(read.adopt)
        except OSError as error:
            parser.error(f"--adopt {read.adopt} cannot be gone on from: {error}")
    for stage in read.stage or stages:
        stages[stage]()
