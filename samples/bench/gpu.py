"""What recording and editing cost on a GPU, on the clock, beside DAAM and attention_map_diffusers.

Random weights at full size in half precision, guidance 7.5, latents only. Ways are run in turns, as
many rounds as there are repeats, after one run each to warm up; memory is the peak of the device's
less that of the plain run; waits are the host's for the device, as torch tells them, in a whole run
and more than in the plain one. Prints Markdown tables. Without the peers they are left out.

pip install --no-deps --target .bench -r requirements-bench.txt
PYTHONPATH=.bench python samples/bench/gpu.py
python samples/bench/gpu.py --tiny
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from launches import Seam
from machine import describe
from models import PROMPT, narrow, sd15, sdxl
from peers import PEERS

from crossattn import Control, Recorder, attach
from crossattn.controls import (
    LocalBlend,
    Replace,
    Reweight,
    ShareSelfAttention,
    SourceRecorder,
)
from crossattn.controls.support.source_run import SourceRun

SWAPS = (("car", "balloon"), ("car", "grass"), ("red", "blue"), ("blue", "red"))
TARGETS = [PROMPT.replace(word, other) for word, other in SWAPS]
Draw = Callable[[list[str]], torch.Tensor]
Way = Callable[[Any, Draw], Any]


def attached(*make: Callable[[], Control]) -> Way:
    """One picture with new controls, read at the end if they record."""

    def way(pipe: Any, draw: Draw) -> torch.Tensor:
        controls = [each() for each in make]
        with attach(pipe, *controls, prompt=PROMPT):
            latents = draw([PROMPT])
        for control in controls:
            if isinstance(control, Recorder):
                assert len(control.trace.words) == len(PROMPT.split())
        return latents

    return way


def peer(name: str) -> dict[str, Way]:
    """A way of another project's, where that is installed."""
    if name not in PEERS:
        return {}
    return {name: lambda pipe, draw: PEERS[name](pipe, lambda: draw([PROMPT]))}


def edits(source: SourceRun | None = None, blend: bool = False) -> list[Control]:
    """A swap of words at the usual windows."""
    own: list[Control] = [Replace(source=source), ShareSelfAttention(source=source)]
    return [*own, LocalBlend(source=source)] if blend else own


def pair(blend: bool) -> Way:
    """Source and edit in a batch."""

    def way(pipe: Any, draw: Draw) -> None:
        prompts = [PROMPT, TARGETS[0]]
        with attach(pipe, *edits(blend=blend), prompt=prompts):
            draw(prompts)

    return way


def kept(count: int) -> Way:
    """A source, kept, and so many edits of it one after another."""

    def way(pipe: Any, draw: Draw) -> None:
        recorder = SourceRecorder()
        with attach(pipe, recorder, prompt=PROMPT):
            draw([PROMPT])
        for target in TARGETS[:count]:
            with attach(pipe, *edits(recorder.run), prompt=target):
                draw([target])

    return way


PLAIN: dict[str, Way] = {"plain": lambda pipe, draw: draw([PROMPT])}
RECORDING: dict[str, Way] = {
    **PLAIN,
    "the seam alone": attached(Seam),
    "Reweight": attached(lambda: Reweight({"car": 2.0})),
    "Recorder()": attached(Recorder),
    "Recorder(heads=True)": attached(lambda: Recorder(heads=True)),
    **peer("DAAM"),
    **peer("AMD, last step"),
    **peer("AMD, all steps, exact"),
}
EDITING: dict[str, Way] = {
    **PLAIN,
    "two plain in a batch": lambda pipe, draw: draw([PROMPT, TARGETS[0]]),
    "source + edit in a batch": pair(blend=False),
    "the same, blended": pair(blend=True),
    "a source kept, then 1 edit": kept(1),
    "a source kept, then 4 edits": kept(4),
}
LARGE: dict[str, Way] = {
    name: way for name, way in RECORDING.items() if name in {"plain", "Recorder()", "DAAM"}
}


class Device:
    """The GPU, or the CPU where there is none: its clock, its memory, and who waits for it."""

    def __init__(self) -> None:
        self.gpu = torch.cuda.is_available()
        self.kind = "cuda" if self.gpu else "cpu"
        self.name = torch.cuda.get_device_name() if self.gpu else "a CPU"

    def seconds(self, work: Callable[[], object]) -> float:
        """How long some work takes until all of it is done."""
        self._wait()
        start = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - start

    def peak(self, work: Callable[[], object]) -> float:
        """How far some work raises the device's memory: MiB; 0 on a CPU."""
        if not self.gpu:
            work()
            return 0.0
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return (torch.cuda.max_memory_allocated() - before) / 2**20

    def waits(self, work: Callable[[], object]) -> int:
        """How often the host waits for the device; 0 on a CPU."""
        if not self.gpu:
            return 0
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(each.message) for each in told)

    def _wait(self) -> None:
        if self.gpu:
            torch.cuda.synchronize()


def rows(device: Device, pipe: Any, draw: Draw, ways: Mapping[str, Way], repeats: int) -> list[str]:
    """The table's rows for one model."""
    plain = draw([PROMPT])
    peaks: dict[str, float] = {}
    waits: dict[str, int] = {}
    pictures: dict[str, str] = {}
    for name, way in ways.items():
        made: list[Any] = []
        peaks[name] = device.peak(lambda way=way, made=made: made.append(way(pipe, draw)))
        waits[name] = device.waits(lambda way=way: way(pipe, draw))
        if isinstance(made[0], torch.Tensor) and made[0].shape == plain.shape:
            apart = float((made[0].float() - plain.float()).abs().max())
            pictures[name] = "identical" if apart == 0 else f"{apart:.1g} apart"
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            found[name].append(device.seconds(lambda way=way: way(pipe, draw)))
    return [
        f"| {name} | {statistics.median(each) * 1e3:.0f} | {spread(each, found['plain'])} "
        f"| {peaks[name] - peaks['plain']:.0f} | {waits[name] - waits['plain']} "
        f"| {pictures.get(name, '')} |"
        for name, each in found.items()
    ]


def spread(mine: Sequence[float], plain: Sequence[float]) -> str:
    """The median of ratios, and from where to where."""
    ratios = [one / other for one, other in zip(mine, plain, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def drawing(pipe: Any, size: int, steps: int) -> Draw:
    """What draws latents, of one noise for all prompts."""
    noise = torch.randn(1, 4, size // 8, size // 8, generator=torch.Generator().manual_seed(0))

    def draw(prompts: list[str]) -> torch.Tensor:
        latents = noise.to(pipe.unet.device, pipe.unet.dtype).repeat(len(prompts), 1, 1, 1)
        images: torch.Tensor = pipe(
            prompts,
            height=size,
            width=size,
            num_inference_steps=steps,
            guidance_scale=7.5,
            latents=latents,
            output_type="latent",
        ).images
        return images

    return draw


def main() -> None:
    """Measure what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a tiny model, to try the script")
    options = parser.parse_args()
    device = Device()
    if not (device.gpu or options.tiny):
        parser.error("there is no GPU; --tiny tries the script on a CPU")
    tables: list[tuple[str, Callable[[], Any], int, Mapping[str, Way]]] = [
        ("SD1.5 fp16, recording", lambda: sd15(torch.float16), 512, RECORDING),
        ("SD1.5 fp16, editing", lambda: sd15(torch.float16), 512, EDITING),
        ("SDXL fp16, recording", lambda: sdxl(torch.float16), 1024, LARGE),
    ]
    if options.tiny:
        ways = RECORDING | EDITING
        tables = [("A tiny model", narrow, 64, ways)]
    print(f"On {device.name}. {describe('torch', 'diffusers')}")
    for title, build, size, ways in tables:
        pipe = build().to(device.kind)
        lines = rows(device, pipe, drawing(pipe, size, options.steps), ways, options.repeats)
        print(
            f"\n{title}, {size} × {size}, {options.steps} steps, {options.repeats} rounds: median "
            "(least–most).\n\n"
            "| way | ms | against plain | added MiB | waits more | picture |\n"
            "|---|---|---|---|---|---|"
        )
        print("\n".join(lines), flush=True)
        del pipe
        if device.gpu:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
