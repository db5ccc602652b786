"""What an edit costs: this project against diffusers' community prompt-to-prompt pipeline.

A source and one edit of it, and a source and eight edits made one after another, on a UNet of
Stable Diffusion 1.5's size with random weights. The words are replaced at every step and the
self-attention of the source is kept at 16 × 16 at every step, by both. CPU time is the process's
own, with the kernel's part of it told apart: what it takes to clear fresh memory for maps differs
from machine to machine. Added memory is how far a run raises a fresh process. Prints a Markdown
table.

python samples/bench/editing.py pipeline_prompt2prompt.py
(that file is in github.com/huggingface/diffusers, examples/community)
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
# Threads that spin while they wait would be counted as work.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import psutil
import torch
from machine import describe
from models import sd15, tiny

from crossattn import Control, attach
from crossattn.controls import Replace, ShareSelfAttention, SourceRecorder, SourceRun, Window

SOURCE = "a red car left of a blue balloon on grass"
TARGETS = tuple(
    f"a red {word} left of a blue balloon on grass"
    for word in ("boat", "cat", "dog", "hat", "owl", "gift", "cake", "tree")
)
Run = Callable[..., torch.Tensor]


class Cost(NamedTuple):
    """CPU seconds, those of them in the kernel, and the MiB added at the peak."""

    seconds: float
    kernel: float
    added: float


def plain_one(pipe: Any, run: Run) -> None:
    """One picture."""
    run([SOURCE])


def plain_two(pipe: Any, run: Run) -> None:
    """Two pictures in a batch."""
    run([SOURCE, TARGETS[0]])


def community(pipe: Any, run: Run) -> None:
    """Source and edit in a batch, through the community pipeline's processors and controller."""
    module = _module(pipe.community)
    controller = module.create_controller(
        [SOURCE, TARGETS[0]],
        {"edit_type": "replace", "n_cross_replace": 1.0, "n_self_replace": 1.0},
        pipe.steps,
        tokenizer=pipe.tokenizer,
        device=pipe.device,
    )
    module.Prompt2PromptPipeline.register_attention_control(pipe, controller)
    run([SOURCE, TARGETS[0]])


def pair(pipe: Any, run: Run) -> None:
    """Source and edit in a batch."""
    with attach(pipe, *edits(), prompt=[SOURCE, TARGETS[0]]):
        run([SOURCE, TARGETS[0]])


def kept(pipe: Any, run: Run) -> None:
    """The source, kept, and then one edit of it."""
    in_turn(pipe, run, 1)


def eight(pipe: Any, run: Run) -> None:
    """The source, kept, and then eight edits of it, one after another."""
    in_turn(pipe, run, 8)


YARDSTICK = "community, source + edit"
WAYS: dict[str, Callable[[Any, Run], None]] = {
    "plain, one": plain_one,
    "plain, two": plain_two,
    YARDSTICK: community,
    "crossattn, source + edit": pair,
    "crossattn, source, then 1 edit": kept,
    "crossattn, source, then 8 edits": eight,
}


def edits(source: SourceRun | None = None) -> list[Control]:
    """Replacement at every step, and the source's self-attention at 16 × 16 at every step."""
    whole = Window(0, 1)
    return [Replace(whole, source=source), ShareSelfAttention(whole, source=source)]


def in_turn(pipe: Any, run: Run, count: int) -> None:
    """The source, kept, and then `count` edits of it."""
    recorder = SourceRecorder(cross=Window(0, 1), self_attention=Window(0, 1))
    with attach(pipe, recorder, prompt=SOURCE):
        run([SOURCE])
    for target in TARGETS[:count]:
        with attach(pipe, *edits(recorder.run), prompt=target):
            run([target])


def measure(way: str, steps: int, threads: int, file: str, small: bool) -> Cost:
    """The cost of one run, the first of the process."""
    torch.set_num_threads(threads)
    pipe = tiny() if small else sd15(torch.float32)
    pipe.community, pipe.steps = file, steps
    noise = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))

    def run(prompts: list[str]) -> torch.Tensor:
        return pipe(
            prompts,
            height=512,
            width=512,
            num_inference_steps=steps,
            guidance_scale=7.5,
            latents=noise.repeat(len(prompts), 1, 1, 1),
            output_type="latent",
        ).images

    # Forget the peak of making the model, which may be the higher one (Linux alone can).
    Path("/proc/self/clear_refs").write_text("5")
    before = psutil.Process().memory_info().rss
    start = resource.getrusage(resource.RUSAGE_SELF)
    WAYS[way](pipe, run)
    end = resource.getrusage(resource.RUSAGE_SELF)
    kernel = end.ru_stime - start.ru_stime
    added = (end.ru_maxrss * 2**10 - before) / 2**20
    return Cost(end.ru_utime - start.ru_utime + kernel, kernel, added)


def in_fresh_process(*request: Any) -> Cost:
    """What `measure` says, in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, "", "--answer", json.dumps(request)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(*json.loads(done.stdout))


def main() -> None:
    """Measure each way once and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("community", help="the file pipeline_prompt2prompt.py")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="one for each core that is idle")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--small", action="store_true", help="a tiny model, to try the script")
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        print(json.dumps(measure(*json.loads(options.answer))))
        return
    torch.set_num_threads(options.threads)
    print(f"512 × 512, fp32, guidance 7.5, {options.steps} step(s), one run each.")
    print(describe("torch", "diffusers"), end="\n\n")
    print("| way | CPU seconds | in the kernel | against community | added MiB | against it |")
    print("|---|---|---|---|---|---|")
    # The yardstick first; eight edits cost it eight times a source and an edit.
    names = [YARDSTICK, *(way for way in options.ways if way != YARDSTICK)]
    yardstick: Cost | None = None
    for way in names:
        found = in_fresh_process(
            way, options.steps, options.threads, options.community, options.small
        )
        yardstick = yardstick or found
        times = 8 if way.endswith("8 edits") else 1
        print(
            f"| {way} | {found.seconds:.1f} | {found.kernel:.1f} "
            f"| {found.seconds / yardstick.seconds / times:.2f} "
            f"| {found.added:.0f} | {found.added / yardstick.added:.2f} |",
            flush=True,
        )


def _module(file: str) -> Any:
    spec = importlib.util.spec_from_file_location("community", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
