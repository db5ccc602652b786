"""What recording costs: plain runs against this recorder, DAAM and attention_map_diffusers.

Each way records and then joins the maps of all the prompt's words, as its users would. CPU time
is the process's own, of runs taken in turns in one process after one run to warm up; added memory
is the peak of a fresh process less that of a plain one. Prints a Markdown table. Without the peers
they are left out.

pip install --no-deps --target .bench -r requirements-bench.txt
PYTHONPATH=.bench python samples/bench/recording.py
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import psutil
import torch
from machine import describe
from models import PROMPT, sd3, sd15, sdxl
from peers import PACKAGES, PEERS, Run

from crossattn import Recorder, attach


def plain(pipe: Any, run: Run) -> torch.Tensor:
    """The pipeline alone."""
    return run()


def crossattn(pipe: Any, run: Run) -> torch.Tensor:
    """Every step and layer, by this project's defaults."""
    recorder = Recorder()
    with attach(pipe, recorder, prompt=PROMPT):
        latents = run()
    assert len(recorder.trace.words) == len(PROMPT.split())
    return latents


WAYS: dict[str, Callable[[Any, Run], torch.Tensor]] = {
    "plain": plain,
    "crossattn": crossattn,
    **PEERS,
}
MODELS: dict[str, Callable[[], Any]] = {
    "SD1.5 bf16": lambda: sd15(torch.bfloat16),
    "SD1.5 fp32": lambda: sd15(torch.float32),
    "SDXL bf16": lambda: sdxl(torch.bfloat16),
    "SD3 shape bf16": lambda: sd3(torch.bfloat16),
    "SD3 shape fp32": lambda: sd3(torch.float32),
}


def ready(model: str, steps: int) -> tuple[Any, Run]:
    """The model, and a run of it at 512 × 512 with guidance that stops at the latents."""
    pipe = MODELS[model]()

    def run() -> torch.Tensor:
        return pipe(
            PROMPT,
            height=512,
            width=512,
            num_inference_steps=steps,
            guidance_scale=7.5,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).images

    return pipe, run


def measure_time(model: str, ways: Sequence[str], steps: int, repeats: int) -> dict[str, Any]:
    """CPU seconds of every way's every run, and how far its latents are from the plain run's."""
    pipe, run = ready(model, steps)
    expected = run().float()
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    apart: dict[str, float] = {}
    for _ in range(repeats):
        for way in ways:
            start = time.process_time()
            latents = WAYS[way](pipe, run)
            seconds[way].append(time.process_time() - start)
            apart[way] = float((latents.float() - expected).abs().max() / expected.abs().max())
    return {"seconds": seconds, "apart": apart}


def measure_memory(model: str, way: str, steps: int) -> float:
    """How far one run, the first of the process, raises its memory: MiB at the peak."""
    pipe, run = ready(model, steps)
    # Forget the peak of making the model, which may be the higher one (Linux alone can).
    Path("/proc/self/clear_refs").write_text("5")
    before = psutil.Process().memory_info().rss
    WAYS[way](pipe, run)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10 - before / 2**20


def in_fresh_process(*request: Any) -> Any:
    """What `answer` says to a request, in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "--answer", json.dumps(request)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def answer(request: str) -> None:
    """Serve one request of `in_fresh_process`."""
    kind, *arguments = json.loads(request)
    print(json.dumps({"time": measure_time, "memory": measure_memory}[kind](*arguments)))


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and from where to where."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def rows(model: str, ways: Sequence[str], steps: int, repeats: int, fresh: int) -> list[str]:
    """The table's rows for one model."""
    timed = in_fresh_process("time", model, ways, steps, repeats)
    base = timed["seconds"]["plain"]
    peaks = {
        way: [in_fresh_process("memory", model, way, steps) for _ in range(fresh)] for way in ways
    }
    floor = statistics.median(peaks["plain"])
    lines = []
    for way in ways:
        seconds = timed["seconds"][way]
        ratios = [mine / other for mine, other in zip(seconds, base, strict=True)]
        apart = timed["apart"][way]
        lines.append(
            f"| {model}, {steps} steps | {way} | {spread(seconds, 1)} | {spread(ratios, 3)} "
            f"| {spread([peak - floor for peak in peaks[way]], 0)} "
            f"| {'identical' if apart == 0 else f'{apart:.0e} apart'} |"
        )
    return lines


def main() -> None:
    """Measure what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--fresh", type=int, default=1, help="processes for each peak of memory")
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.answer:
        answer(options.answer)
        return
    ways = list(dict.fromkeys(["plain", *options.ways]))
    versions = "torch", "diffusers", "transformers", *PACKAGES
    print(
        f"512 × 512, guidance 7.5, {options.repeats} repeats in turns, {options.fresh} fresh "
        "process(es) for memory: median (least–most)."
    )
    print(describe(*versions), end="\n\n")
    print("| model | recorder | CPU seconds | against plain | added MiB | picture |")
    print("|---|---|---|---|---|---|")
    for model in options.models:
        # DAAM reads cross-attention alone.
        served = [way for way in ways if way != "DAAM" or "SD3" not in model]
        lines = rows(model, served, options.steps, options.repeats, options.fresh)
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
