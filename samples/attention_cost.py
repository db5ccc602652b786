"""Time the mechanisms of attention against the length, and draw them beside what theory says.

Run `python samples/attention_cost.py`; it needs matplotlib and takes about a minute.
"""

import argparse
import ctypes
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot
from torch import Tensor

from crossattn.mechanisms import Additive, attend, fused, linear, multi_head, strided, top_k, window

PICTURE = Path(__file__).parent / "pictures" / "attention_cost.png"
WIDTH = 64
HIDDEN = 16
Run = Callable[[], object]


@dataclass(frozen=True)
class Mechanism:
    """A mechanism to time: what prepares it for a sequence, and how its cost should grow."""

    name: str
    prepare: Callable[[Tensor], Run]  # takes a sequence (length, WIDTH)
    exponent: float
    reach: float = 1  # its longest sequence, as a multiple of everyone's


@dataclass(frozen=True)
class Timing:
    """CPU seconds of one mechanism, (repeats, lengths), and the exponent each repeat fits."""

    lengths: np.ndarray
    seconds: np.ndarray

    @property
    def exponents(self) -> np.ndarray:
        """The slope of each repeat's seconds over the lengths, both as logarithms: (repeats,)."""
        slopes: np.ndarray = np.polyfit(np.log(self.lengths), np.log(self.seconds).T, 1)[0]
        return slopes


def prepare_window(x: Tensor) -> Run:
    pattern = window(len(x), len(x), 16)
    return lambda: attend(x, x, x, mask=pattern)


def prepare_strided(x: Tensor) -> Run:
    pattern = strided(len(x), len(x), math.isqrt(len(x)))
    return lambda: attend(x, x, x, mask=pattern)


def prepare_additive(x: Tensor) -> Run:
    weights = torch.randn(2, HIDDEN, WIDTH) / math.sqrt(WIDTH)
    score = Additive(weights[0], weights[1], torch.randn(HIDDEN))
    return lambda: attend(x, x, x, score)


def prepare_fused(x: Tensor) -> Run:
    batch = x[None, None]
    return lambda: fused(batch, batch, batch)


def prepare_grouped(x: Tensor) -> Run:
    query, key = x[None], x[None, :, : WIDTH // 4].contiguous()
    return lambda: multi_head(query, key, key, heads=8, key_heads=2)


MECHANISMS = (
    Mechanism("multi-head, 8", lambda x: lambda: multi_head(x[None], x[None], x[None], 8), 2),
    Mechanism("grouped-query, 2 of 8", prepare_grouped, 2),
    Mechanism("additive", prepare_additive, 2, reach=0.5),
    Mechanism("scaled dot product", lambda x: lambda: attend(x, x, x), 2),
    Mechanism("top-8", lambda x: lambda: attend(x, x, x, mask=top_k(x, x, 8)), 2, reach=2),
    Mechanism("fused", prepare_fused, 2),
    Mechanism("strided by √n", prepare_strided, 1.5, reach=2),
    Mechanism("window of 33", prepare_window, 1, reach=4),
    Mechanism("linear", lambda x: lambda: linear(x, x, x), 1, reach=8),
)


def keep_freed_memory() -> None:
    """Let glibc reuse large blocks: else the system zeroing fresh pages is most of the time."""
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_max = -1, -4
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, -1)


def measure(mechanism: Mechanism, longest: int, repeats: int) -> Timing:
    """Time a mechanism at five lengths, each √2 times the one before."""
    lengths = [round(longest * mechanism.reach / math.sqrt(2) ** step) for step in range(4, -1, -1)]
    runs = [mechanism.prepare(torch.randn(length, WIDTH)) for length in lengths]
    for run in runs:
        run()
    seconds = np.empty((repeats, len(runs)))
    for at in np.ndindex(seconds.shape):
        start = time.process_time()
        runs[at[1]]()
        seconds[at] = time.process_time() - start
    return Timing(np.array(lengths), seconds)


def describe(timing: Timing) -> str:
    """Name the fitted exponent and the range of the repeats' own."""
    low, middle, high = np.percentile(timing.exponents, (0, 50, 100))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def draw(timings: dict[Mechanism, Timing], caption: str, path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(9.6, 5.4), layout="constrained")
    for mechanism, timing in timings.items():
        low, middle, high = 1e3 * np.percentile(timing.seconds, (0, 50, 100), axis=0)
        label = f"{mechanism.name}\nexponent {describe(timing)}, theory {mechanism.exponent:g}"
        axes.plot(timing.lengths, middle, "o-", markersize=4, label=label)
        axes.fill_between(timing.lengths, low, high, alpha=0.2, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="length n, tokens", ylabel="CPU time, ms")
    ticks = sorted({int(n) for timing in timings.values() for n in timing.lengths[::2]})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_title("What each mechanism costs as the sequence grows", loc="left")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize="small")
    figure.supxlabel(caption, fontsize="x-small", color="0.4")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def name_processor() -> str:
    """Name the processor as Linux does, or else as Python does."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--longest", type=int, default=4096, help="tokens, for full attention")
    parser.add_argument("--repeats", type=int, default=7, help="timings of each length")
    parser.add_argument("--out", type=Path, default=PICTURE, help="where the picture goes")
    arguments = parser.parse_args()

    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    caption = (
        f"{name_processor()}, 1 thread, torch {torch.__version__}, float32, width {WIDTH}; "
        f"median and range of {arguments.repeats} runs; no gradient"
    )
    print(caption)
    timings = {}
    with torch.inference_mode():
        for mechanism in MECHANISMS:
            timing = measure(mechanism, arguments.longest, arguments.repeats)
            timings[mechanism] = timing
            last = f"{1e3 * np.median(timing.seconds[:, -1]):.1f} ms at {timing.lengths[-1]} tokens"
            print(
                f"{mechanism.name:22} n^{describe(timing)}, theory {mechanism.exponent:g}; {last}"
            )
    draw(timings, caption, arguments.out)
    print(f"wrote {arguments.out.name}")


if __name__ == "__main__":
    main()
