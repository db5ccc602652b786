"""Kept tensors that lie in the host's memory, fetched one step before they are asked for."""

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor


class Ahead(threading.local):
    """The tensors of one step on a device, and those of the next on their way there.

    `tensors` have one entry a step in their first axis. Copies run on a stream of their own, beside
    the model's, where the device has streams; so at most two steps' tensors lie there. Each thread
    has its own.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self._steps = min(len(tensor) for tensor in tensors.values())
        self._there: dict[int, tuple[dict[str, Tensor], Any]] = {}
        self._device: torch.device | None = None
        self._stream: Any = None

    @property
    def held(self) -> tuple[int, ...]:
        """The steps that are on the device, or on their way."""
        return tuple(sorted(self._there))

    def get(self, name: str, at: int, device: torch.device) -> Tensor:
        """The entry `at` of a tensor, on the device."""
        if device != self._device:
            self._there, self._device = {}, device
            streams: Any = torch.cuda.Stream
            self._stream = streams(device) if device.type == "cuda" else None
        if at not in self._there:
            self._there = {at: self._fetched(at)}
        fetched, done = self._there[at]
        if done is not None:
            done.wait(torch.cuda.current_stream(device))
            self._there[at] = fetched, None
            for tensor in fetched.values():
                tensor.record_stream(torch.cuda.current_stream(device))
        coming = [at + 1] if at + 1 < self._steps else []
        self._there = {at: self._there[at]} | {
            step: self._there.get(step) or self._fetched(step) for step in coming
        }
        return fetched[name]

    def _fetched(self, at: int) -> tuple[dict[str, Tensor], Any]:
        """The tensors of a step, and what says that they have arrived (None: they have)."""
        assert self._device is not None
        beside: Any = nullcontext() if self._stream is None else torch.cuda.stream(self._stream)
        with beside:
            fetched = {
                name: tensor[at].to(self._device, non_blocking=True)
                for name, tensor in self._tensors.items()
            }
            return fetched, None if self._stream is None else self._stream.record_event()
