"""Drawing by a pipeline's own call, told as it goes: the same events as of the project's loop."""

import inspect
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from threading import Semaphore
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from crossattn.control import Control
from crossattn.pipelines.call_text import CallText
from crossattn.pipelines.called import CALLS
from crossattn.pipelines.denoise import Progress, check_finite
from crossattn.session import attach
from crossattn.site import Site
from crossattn.step import Step

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.pipelines.load import Pipeline

Told = TypeVar("Told")
Made = TypeVar("Made")


def call(
    pipe: "Pipeline",
    text: CallText,
    *,
    steps: int,
    guidance: float,
    height: int,
    width: int,
    generator: torch.Generator,
) -> "Generator[Progress, None, Image.Image]":
    """Make a picture of `height` x `width` pixels, telling of every step of the scheduler."""
    kind = CALLS[type(pipe).__name__]
    # What would change the size or the words that were asked for.
    asked = inspect.signature(type(pipe).__call__).parameters
    off = dict.fromkeys({"use_resolution_binning", "clean_caption"} & asked.keys(), False)
    # A prompt in words as well is refused, and some pipelines have one unless told.
    blank = {"negative_prompt": None} if "negative_prompt_embeds" in text.given else {}

    def draw(tell: Callable[[Progress], None]) -> "Image.Image":
        with attach(pipe, _Telling(pipe, tell), guided=text.guided):
            made = pipe(
                **text.given,
                **{kind.guidance: guidance},
                num_inference_steps=steps,
                height=height,
                width=width,
                generator=generator,
                **blank,
                **off,
            )
        return made.images[0]  # type: ignore[no-any-return]

    return (yield from told(draw))


def told(work: Callable[[Callable[[Told], None]], Made]) -> Generator[Told, None, Made]:
    """Do `work`, which tells what it did by calling a function, as an iterator of what it tells.

    It is done in this context, on a thread of its own that goes on only when the next event is
    asked for, and ends within its present step when the iterator is left.
    """
    events: SimpleQueue[list[Told]] = SimpleQueue()
    asked = Semaphore(0)
    left = False

    def tell(event: Told) -> None:
        events.put([event])
        asked.acquire()
        if left:
            raise _Left

    def do() -> Made:
        torch.set_num_threads(threads)
        try:
            return work(tell)
        finally:
            events.put([])

    threads, context = torch.get_num_threads(), copy_context()
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(context.run, do)
        try:
            while event := events.get():
                yield event[0]
                asked.release()
        except GeneratorExit:
            left = True
            asked.release()
            raise
    return made.result()


class _Left(BaseException):
    """Nobody asks for the picture any more."""


class _Telling(Control):
    """Tells of each step that the scheduler makes."""

    def __init__(self, pipe: Any, tell: Callable[[Progress], None]) -> None:
        self._pipe, self._tell = pipe, tell

    def wants(self, site: Site) -> bool:
        """No layer."""
        return False

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        """Tell of the latents, and leave them."""
        total = len(self._pipe.scheduler.timesteps)
        if step.index == step.total - 1:
            check_finite(latents)
        self._tell(Progress(step.evaluation - step.begun, total, step.timestep, latents))
        return latents
