"""What controls cost where launches and Python are the cost, not arithmetic, as on most GPUs.

A UNet of Stable Diffusion 1.5's structure with few channels, at 256 × 256, is launch-bound on a CPU
too. Each way is run in turns with plain runs, and the quickest of each is taken: what else goes on
in a machine only ever adds. All of it is done in several processes, since what lies where in a
process's memory moves the ratios by a percent. Seconds are the process's own, and launches the ATen
calls of a step that are no views. The seam alone is a control that does nothing, at the
cross-attention layers, where controls act unless they say otherwise, or at every layer; it is
compared with its floor, two hooks of torch a layer that do nothing, and with another way of
standing where a layer attends, a `TorchFunctionMode`, which passes every call of torch in that
layer through Python.

python samples/bench/launches.py
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
from counting import Launches
from machine import describe
from models import PROMPT, narrow
from torch.overrides import TorchFunctionMode

from crossattn import Attention, Control, LayerCall, Recorder, attach
from crossattn.controls import (
    Box,
    HoldRegions,
    Replace,
    Reweight,
    ShareSelfAttention,
    Window,
)
from crossattn.site import Site
from crossattn.step import Step

TARGET = PROMPT.replace("car", "balloon")
PAIR = "source + edit in a batch"
HOOKS = "hooks that do nothing"
MODE = "a TorchFunctionMode in its place"


class Seam(Control):
    """Does nothing, at the cross-attention layers."""

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Nothing."""


class Everywhere(Seam):
    """Does nothing wherever it can."""

    def wants(self, site: Site) -> bool:
        """Every site."""
        return True


class Idle(Everywhere):
    """Acts nowhere, as an edit outside its window."""

    def acts(self, site: Site, step: Step) -> bool:
        """At no site."""
        return False


class PassedOn(TorchFunctionMode):
    """Passes every call of torch through Python, and does nothing with it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


WAYS: dict[str, Callable[[], list[Control]]] = {
    "plain": lambda: [],
    HOOKS: lambda: [],
    "a control that acts nowhere": lambda: [Idle()],
    "the seam alone": lambda: [Seam()],
    "the seam at every layer": lambda: [Everywhere()],
    MODE: lambda: [],
    "Recorder()": lambda: [Recorder()],
    "Recorder(heads=True)": lambda: [Recorder(heads=True)],
    "Reweight": lambda: [Reweight({"car": 2.0})],
    "HoldRegions": lambda: [HoldRegions({"car": Box(0, 0, 0.5, 1)})],
    PAIR: lambda: [Replace(Window()), ShareSelfAttention(Window())],
}


def attention_layers(pipe: Any) -> Iterator[torch.nn.Module]:
    """The UNet's."""
    return (each for each in pipe.unet.modules() if hasattr(each, "set_processor"))


@contextmanager
def hooked(pipe: Any, enter: Callable[..., None], leave: Callable[..., None]) -> Iterator[None]:
    """Call something before and after each attention layer."""
    hooks = [
        hook
        for layer in attention_layers(pipe)
        for hook in (
            layer.register_forward_pre_hook(enter, with_kwargs=True),
            layer.register_forward_hook(leave, with_kwargs=True, always_call=True),
        )
    ]
    yield
    for hook in hooks:
        hook.remove()


def nothing(*_: Any) -> None:
    """Nothing."""


@contextmanager
def passed_on(pipe: Any) -> Iterator[None]:
    """Enter a mode with each attention layer, and leave it there."""
    modes: list[PassedOn] = []

    def enter(*_: Any) -> None:
        modes.append(PassedOn())
        modes[-1].__enter__()

    def leave(*_: Any) -> None:
        modes.pop().__exit__(None, None, None)

    with hooked(pipe, enter, leave):
        yield


def run(pipe: Any, way: str, steps: int, attached: bool = True) -> None:
    """One run by a way, or of the same prompts without it."""
    controls = WAYS[way]() if attached else []
    prompts = [PROMPT, TARGET] if way == PAIR else [PROMPT]
    noise = torch.randn(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    with ExitStack() as stack:
        if controls:
            stack.enter_context(attach(pipe, *controls, prompt=prompts))
        if way == MODE and attached:
            stack.enter_context(passed_on(pipe))
        if way == HOOKS and attached:
            stack.enter_context(hooked(pipe, nothing, nothing))
        pipe(
            prompts,
            height=256,
            width=256,
            num_inference_steps=steps,
            guidance_scale=7.5,
            latents=noise.repeat(len(prompts), 1, 1, 1),
            output_type="latent",
        )


def seconds(work: Callable[[], object]) -> float:
    """The process's own seconds for some work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def launches(pipe: Any, way: str) -> float:
    """The launches of a step: what a run has more for ten further ones, by ten."""
    counted = []
    for steps in (2, 12):
        with Launches() as found:
            run(pipe, way, steps)
        counted.append(found.count)
    return (counted[1] - counted[0]) / 10


def spread(values: Sequence[float]) -> str:
    """The median, and from where to where."""
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def quickest(ways: Sequence[str], steps: int, turns: int) -> list[tuple[float, float]]:
    """Seconds of a run by each way and of a plain one: the least of some turns in this process."""
    torch.set_num_threads(1)
    pipe = narrow()
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for way in ways:
        run(pipe, way, 1)
    for _ in range(turns):
        for way in ways:
            plain = seconds(lambda way=way: run(pipe, way, steps, attached=False))
            found[way].append((seconds(lambda way=way: run(pipe, way, steps)), plain))
    return [
        (min(each[0] for each in all_of), min(each[1] for each in all_of))
        for all_of in found.values()
    ]


def rows(ways: Sequence[str], steps: int, turns: int, processes: int) -> Iterator[str]:
    """The table's rows."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
        found = [fresh.apply(quickest, (ways, steps, turns)) for _ in range(processes)]
    pipe = narrow()
    for way, pairs in zip(ways, zip(*found, strict=True), strict=True):
        mine, plain = (statistics.median(each) / steps for each in zip(*pairs, strict=True))
        yield (
            f"| {way} | {mine * 1e3:.1f} | {spread([one / other for one, other in pairs])} "
            f"| {(mine - plain) * 1e3:+.1f} | {launches(pipe, way):.0f} |"
        )


def main() -> None:
    """Measure what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--processes", type=int, default=5)
    options = parser.parse_args()
    print(
        f"256 × 256, guidance 7.5, {options.steps} steps, the quickest of {options.turns} turns "
        f"with plain runs of the same prompts in each of {options.processes} processes: median "
        "(least–most)."
    )
    print(describe("torch", "diffusers"), end="\n\n")
    print("| way | CPU ms a step | against plain | ms a step more | launches a step |")
    print("|---|---|---|---|---|")
    print("\n".join(rows(options.ways, options.steps, options.turns, options.processes)))


if __name__ == "__main__":
    main()
