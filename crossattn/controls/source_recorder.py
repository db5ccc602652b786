"""Keeping of a source's run what its edits will need, and no more."""

import copy
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from crossattn.attention import Attention
from crossattn.control import Control
from crossattn.controls.support.source_room import room_for, words_map_sites
from crossattn.controls.support.source_run import (
    CROSS,
    KEYS_VALUES,
    LATENTS,
    MAPS,
    PREDICTED,
    SELF,
    Kept,
    SourceRun,
)
from crossattn.controls.support.tensor_file import allocate, nbytes
from crossattn.controls.support.window import CROSS_WINDOW, Window
from crossattn.encoders import Prompts
from crossattn.errors import ControlError
from crossattn.guidance import GUIDED, UNGUIDED
from crossattn.rows import Rows
from crossattn.schedule import Plan
from crossattn.session import Session
from crossattn.site import Site
from crossattn.softmax import UnformedMap
from crossattn.step import LayerCall, Step


class SourceRecorder(Control):
    """Keeps a source's run for its edits; afterwards `run` is the `SourceRun`.

    Kept are the cross-attention of the steps in `cross`, the self-attention of those in
    `self_attention` at sites of at most `pixels` pixels (as `ShareSelfAttention` chooses them), the
    keys and values of those in `keys_values` (as `MutualSelfAttention` takes them; none unless
    given, for they are by far the most), and of every step the words' mean map, the latents and
    what they were made of.
    The windows must hold those of the edits to come; `nbytes` says beforehand what they take.

    It lies on the model's device if it takes at most `on_device` bytes, else in the host's memory,
    from which edits fetch it a step ahead; with `file` in that safetensors file, which must not
    exist. The picture is not changed. Records one image, and goes before other controls; raises
    `ControlError` at the first step if there are more or if it would take more than `limit` bytes.
    """

    def __init__(
        self,
        *,
        cross: Window = CROSS_WINDOW,
        self_attention: Window = Window(0.0, 0.4),  # noqa: B008
        keys_values: Window = Window(0.0, 0.0),  # noqa: B008
        pixels: int | None = None,
        file: str | Path | None = None,
        limit: int = 2**33,
        on_device: int = 2**30,
    ) -> None:
        self.cross = cross
        self.self_attention = self_attention
        self.keys_values = keys_values
        self.pixels = pixels
        self.file = None if file is None else Path(file)
        self.limit = limit
        self.on_device = on_device
        self._partial: Path | None = None
        self._session: Session | None = None
        self._run: SourceRun | None = None
        self._begun = -1
        self._maps: frozenset[Site] = frozenset()

    @property
    def run(self) -> SourceRun:
        """What was recorded; raises `ControlError` before the first step."""
        if self._run is None:
            raise ControlError("Nothing is recorded yet: run the pipeline inside `with attach`.")
        return self._run

    def nbytes(
        self,
        pipe: Any,
        prompt: Prompts,
        *,
        steps: int,
        height: int,
        width: int,
        guided: bool = True,
        tokens: int | None = None,
    ) -> int:
        """The bytes that a run will take, before any; `height` and `width` in pixels.

        `tokens` are those that the denoiser is given, unless they are what its encoders read.

        Up to `on_device` of them lie on the model's device, more in the host's memory.
        """
        scheduler = copy.deepcopy(pipe.scheduler)
        scheduler.set_timesteps(steps)
        session = Session(pipe, (self,), prompt, None, guided)
        factor = pipe.vae_scale_factor
        tokens = tokens or max(each.reader.offset + each.limit for each in session.encoders)
        rows = Rows.by_blocks(1 + guided, GUIDED if guided else UNGUIDED, prompts=1)
        size = height // factor, width // factor
        step = Step(0, 0, steps, 0, 0, 0.0, 0.0, *size, tokens, rows)
        kept = self._kept(session, step, Plan.read(scheduler))
        return nbytes(room_for(session, step, kept, self.pixels))

    def wants(self, site: Site) -> bool:
        """Every site."""
        return True

    def start(self, session: Session) -> None:
        """Forget the run before; raises `ControlError` unless there is one prompt."""
        if len(session.prompts) != 1:
            raise ControlError(
                "SourceRecorder needs the one prompt of the source: attach(..., prompt=source)."
            )
        if self.file is not None and self.file.exists():
            raise ControlError(f"{self.file} exists already; choose another file for the source.")
        self._session = session
        self._run, self._begun = None, -1

    def before_step(self, step: Step) -> None:
        """Make room at the first step."""
        assert self._session is not None
        if step.run == self._begun:
            return
        if step.rows.images != 1:
            raise ControlError(
                f"A source is one image, but the run has {step.rows.images}; run one."
            )
        self._begun = step.run
        kept = self._kept(self._session, step, self._session.plan)
        specs = room_for(self._session, step, kept, self.pixels)
        if nbytes(specs) > self.limit:
            raise ControlError(
                f"The source run would take {nbytes(specs) / 2**20:,.0f} MiB, over the limit of "
                f"{self.limit / 2**20:,.0f}: narrow its windows, or give a higher limit."
            )
        header = TypeAdapter(Kept).dump_json(kept).decode()
        device = self._session.latents.given.device
        room = device if nbytes(specs) <= self.on_device else torch.device("cpu")
        self._run = SourceRun(kept, allocate(specs, self._begin_file(), header, room, device))
        self._maps = words_map_sites(self._session, step)

    def acts(self, site: Site, step: Step) -> bool:
        """Where this evaluation's attention is kept."""
        run, number = self.run, step.evaluation
        if site.kind == "cross":
            return site in self._maps or number in run.kept.cross
        own = number in run.kept.own and f"{SELF}/{site.name}/query" in run.tensors
        texture = number in run.kept.keys_values and f"{KEYS_VALUES}/{site.name}/key" in run.tensors
        return own or texture

    @torch.no_grad()
    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Keep the source row's attention; it is left untouched."""
        run, number = self.run, call.step.evaluation
        if call.site.kind == "self" and number in run.kept.keys_values:
            self._keep_keys_values(call, attention)
        row = call.step.rows.of_images().get(0)
        if row is None:
            return
        if call.site.kind == "self":
            name = f"{SELF}/{call.site.name}"
            if f"{name}/query" in run.tensors and number in run.kept.own:
                at = run.kept.own.index(number)
                _keep(run.tensors[f"{name}/query"][at], attention.query[row])
                _keep(run.tensors[f"{name}/key"][at], attention.key[row])
            return
        source = attention.map_of(row)
        if not isinstance(source, UnformedMap) or attention.edited(row):
            raise ControlError(
                "SourceRecorder keeps queries and keys, in which the edits before it do not show: "
                "put it first in attach(...)."
            )
        probs = None
        if call.site in self._maps:
            probs = attention.probabilities(row)
            room = run.tensors[MAPS][number]
            room.add_(probs.mean(0).to(room.device), alpha=1 / len(self._maps))
        if number in run.kept.cross:
            at = run.kept.cross.index(number)
            name = f"{CROSS}/{call.site.name}"
            if f"{name}/formed" in run.tensors:
                probs = attention.probabilities(row) if probs is None else probs
                _keep(run.tensors[f"{name}/formed"][at], probs)
            else:
                _keep(run.tensors[f"{name}/query"][at], attention.query[row])
                _keep(run.tensors[f"{name}/key"], attention.key[row])

    def _keep_keys_values(self, call: LayerCall, attention: Attention) -> None:
        rows, name = call.step.rows, f"{KEYS_VALUES}/{call.site.name}"
        at = self.run.kept.keys_values.index(call.step.evaluation)
        for part, tensor in (("key", attention.key), ("value", attention.value)):
            if (kept := self.run.tensors.get(f"{name}/{part}")) is not None:
                for number, side in enumerate((rows.positive, rows.negative)):
                    if side:
                        _keep(kept[at, number], tensor[side[0]])

    def after_step(self, step: Step, latents: Tensor) -> Tensor:
        """Keep the latents, and what they were made of."""
        assert self._session is not None and self._session.latents.predicted is not None
        for name, made in ((LATENTS, latents), (PREDICTED, self._session.latents.predicted)):
            _keep(self.run.tensors[name][step.evaluation], made[0])
        return latents

    def finish(self) -> None:
        """Give the file its name."""
        if self._partial is not None and self.file is not None:
            self._partial.replace(self.file)
            self._partial = None

    def leave(self) -> None:
        """Let go of the model, and of a file that was not finished; wait for what is on its way."""
        self._session = None
        if self._run is not None and any(each.is_pinned() for each in self._run.tensors.values()):
            torch.cuda.synchronize()
        if self._partial is not None:
            self._partial.unlink()
            self._partial = None

    def _begin_file(self) -> Path | None:
        """A file beside the one asked for, which goes away unless the run is finished."""
        if self._partial is not None:
            self._partial.unlink()
        if self.file is None:
            return None
        handle, name = tempfile.mkstemp(prefix=".crossattn-", dir=self.file.parent)
        os.close(handle)
        self._partial = Path(name)
        return self._partial

    def _kept(self, session: Session, step: Step, plan: Plan | None) -> Kept:
        if plan is None:
            raise ControlError("SourceRecorder needs the pipeline, whose scheduler it follows.")
        evaluations = plan.evaluations(step)

        def inside(window: Window) -> tuple[int, ...]:
            return tuple(each.evaluation for each in evaluations if window.contains(each))

        return Kept(
            prompt=session.prompts[0],
            timesteps=plan.timesteps,
            cross=inside(self.cross),
            own=inside(self.self_attention),
            height=step.height,
            width=step.width,
            keys_values=inside(self.keys_values),
            begun=step.begun,
        )


def _keep(room: Tensor, made: Tensor) -> None:
    """Copy what was made where it is kept; to memory that is pinned without waiting for it."""
    room.copy_(made, non_blocking=room.is_pinned())
