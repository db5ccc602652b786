"""Copies of a pipeline, several times as fast as `copy.deepcopy` makes them."""

import io
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import torch


class Copies:
    """Called, it gives a copy of `pipe` as it was: unpickled, with clones of its tensors.

    Copies of transformers' tokenizers spell out a word's end ("car</w>"), so each copy gets new
    ones, made by `tokenizer`.
    """

    def __init__(self, pipe: Any, tokenizer: Callable[[], Any]) -> None:
        self._tokenizer = tokenizer
        self._apart: dict[int, Any] = {
            id(part): part for name, part in pipe.components.items() if name.startswith("tokenizer")
        }
        written = io.BytesIO()
        _Pickler(written, self._apart).dump(pipe)
        self._written = written.getvalue()

    def __call__(self) -> Any:
        return _Unpickler(self._written, cache(self._copy)).load()

    def _copy(self, key: int) -> Any:
        part = self._apart[key]
        if isinstance(part, torch.nn.Parameter):
            return torch.nn.Parameter(part.detach().clone(), part.requires_grad)
        return part.clone() if isinstance(part, torch.Tensor) else self._tokenizer()


class _Pickler(pickle.Pickler):
    """Leaves tensors, which it adds to them, and the parts of `apart` out."""

    def __init__(self, file: io.BytesIO, apart: dict[int, Any]) -> None:
        super().__init__(file)
        self.apart = apart

    def persistent_id(self, part: Any) -> int | None:
        if isinstance(part, torch.Tensor):
            self.apart[id(part)] = part
        return id(part) if id(part) in self.apart else None


class _Unpickler(pickle.Unpickler):
    """Asks for what was left out."""

    def __init__(self, written: bytes, ask: Callable[[int], Any]) -> None:
        super().__init__(io.BytesIO(written))
        self.persistent_load = ask
