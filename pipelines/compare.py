"""The same picture by several attention mechanisms, side by side."""

import ctypes
import gc
import math
import platform
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.controls.mechanism import Mechanism
from crossattn.pipelines.export import word_tiles
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.pipelines.sheets import Tile, contact_sheet, fitted
from crossattn.step import LayerCall

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.pipelines.load import Pipeline


@dataclass(frozen=True)
class Compared:
    """One mechanism's run.

    `entropy` is the mean over steps, sites, heads and pixels of the entropy of attention over all
    tokens, in bits; `cpu_seconds` is the process's time; `memory` the most that the process held
    beyond what it held before, in bytes, or None where the system does not say.
    """

    mechanism: str
    result: Result
    entropy: float
    cpu_seconds: float
    memory: int | None


class _Entropy(Control):
    """Measures the entropy of the conditional rows' attention as it has become."""

    def __init__(self) -> None:
        self._nats: list[Tensor] = []

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Add the mean over one call's heads and pixels."""
        for row in call.step.rows.positive:
            self._nats.append(torch.special.entr(attention.probabilities(row)).sum(-1).mean())

    @property
    def bits(self) -> float:
        """The mean of all calls."""
        return float(torch.stack(self._nats).mean()) / math.log(2)


class _Memory:
    """The most memory that the process has held since `__enter__`, sampled."""

    def __enter__(self) -> "_Memory":
        self.before = self.most = _resident()
        self._done = Event()
        self._thread = Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while self.before is not None and not self._done.wait(0.005):
            self.most = max(self.most or 0, _resident() or 0)

    @property
    def added(self) -> int | None:
        """Bytes above what was held before, or None where the system does not say."""
        return None if self.before is None else (self.most or 0) - self.before


def compare(recipe: Recipe, mechanisms: Sequence[str], pipe: "Pipeline") -> Iterator[Compared]:
    """Run a recipe once by each mechanism, named as `Mechanism` reads them.

    Raises ControlError for a name that cannot be read, before the first run.
    """
    controls = [Mechanism(name) for name in mechanisms]
    # The first run of a process costs what no later one does, which is not a mechanism's doing.
    deque(run(recipe.replace(steps=1), pipe=pipe), maxlen=0)
    for control in controls:
        entropy = _Entropy()
        # What earlier runs freed and the allocator keeps would hide what this one takes.
        _give_back()
        with _Memory() as memory:
            started = time.process_time()
            *_, result = run(recipe, pipe=pipe, controls=(control, entropy))
            seconds = time.process_time() - started
        assert isinstance(result, Result)
        yield Compared(control.name, result, entropy.bits, seconds, memory.added)


def comparison_sheet(compared: Sequence[Compared]) -> "Image.Image":
    """A row for each mechanism: its picture and figures, then each word's map with its share."""
    tiles = []
    for one in compared:
        picture = fitted(one.result.image)
        figures = f"{one.entropy:.1f} bits, {one.cpu_seconds:.1f} s"
        if one.memory is not None:
            figures += f", {one.memory / 2**20:.0f} MiB"
        tiles += [Tile(picture, one.mechanism, figures), *word_tiles(picture, one.result.trace)]
    recipe = compared[0].result.recipe
    columns = 1 + len(compared[0].result.trace.mass)
    footer = f"{Path(recipe.model).name} · seed {recipe.seed} · {recipe.steps} steps"
    return contact_sheet(tiles, title=recipe.prompt, footer=footer, columns=columns)


def _give_back() -> None:
    """Return freed memory to the system, where the allocator can be asked to."""
    gc.collect()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * 4096
