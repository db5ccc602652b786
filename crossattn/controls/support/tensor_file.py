"""Tensors laid out before they are known: in memory, or straight into a safetensors file."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

Spec = tuple[tuple[int, ...], torch.dtype]

_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


def nbytes(specs: Mapping[str, Spec]) -> int:
    """The bytes that tensors of these shapes and types take."""
    return sum(torch.Size(shape).numel() * dtype.itemsize for shape, dtype in specs.values())


def allocate(
    specs: Mapping[str, Spec],
    file: Path | None,
    metadata: str,
    room: torch.device | None = None,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """Zeroed tensors of these shapes and types in `room`, for a model on `device`.

    Those of many calls at many layers, "a/b/c", may lie in the host's memory while the model is on
    a GPU: that memory is pinned, and copied from and to without waiting. Single ones are on the
    device, if there is no file. With `file` they are the file: what is written to them is written
    there, and it can be loaded as safetensors, with `metadata` under the key "source" of its
    header.
    """
    if file is None:
        pin = room is not None and room != device and device is not None and device.type == "cuda"
        return {
            name: torch.zeros(shape, dtype=dtype, device=room, pin_memory=pin)
            if "/" in name
            else torch.zeros(shape, dtype=dtype, device=device)
            for name, (shape, dtype) in specs.items()
        }
    # Views need offsets that are multiples of their items; the widest come first.
    ordered = sorted(specs.items(), key=lambda item: -item[1][1].itemsize)
    header: dict[str, object] = {"__metadata__": {"source": metadata}}
    end = 0
    for name, (shape, dtype) in ordered:
        start, end = end, end + torch.Size(shape).numel() * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + end)
    whole = torch.from_file(str(file), shared=True, size=8 + len(text) + end, dtype=torch.uint8)
    data = whole[8 + len(text) :]
    tensors, start = {}, 0
    for name, (shape, dtype) in ordered:
        size = torch.Size(shape).numel() * dtype.itemsize
        tensors[name] = data[start : start + size].view(dtype).view(shape)
        start += size
    return tensors
