"""A trace as bytes: what the browser draws maps from, so that pointing at a word asks nobody."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crossattn.errors import TraceError
from crossattn.heatmap import HeatMap
from crossattn.site import Layers
from crossattn.trace import Trace

LONGER_SIDE = 16
ALL = "all"


def grid(trace: Trace) -> tuple[int, int]:
    """The (rows, columns) that maps travel in: the latent's, its longer side at most 16."""
    layout = trace.view.record.layout
    scale = min(1.0, LONGER_SIDE / max(layout.height, layout.width))
    return max(1, round(layout.height * scale)), max(1, round(layout.width * scale))


def joined(trace: Trace) -> Trace:
    """The trace with the mean over heads in their place, as where they are not recorded.

    What the page shows of all heads, and the share that it tells, are then those of the command
    line, which records no heads.
    """
    record = trace.view.record
    if not record.layout.heads:
        return trace
    means = {key: sums.mean(2, keepdim=True) for key, sums in record.maps.items()}
    record = replace(record, layout=replace(record.layout, heads=False), maps=means)
    return replace(trace, view=replace(trace.view, record=record))


def whole(trace: Trace) -> dict[str, Any]:
    """One frame: everything that was recorded."""
    return _pack([_token_maps(joined(trace))], grid(trace))


def steps(trace: Trace, layer: str, resolution: str | int, head: int | None) -> dict[str, Any]:
    """Frame 0 is all steps of that part of the trace, the others one recorded group each.

    `layer` is a block's name or "all", `resolution` the longer side of a grid or "all", `head` a
    head's number or None for the mean of them. Raises `TraceError` for what was not recorded.
    """
    part = narrowed(joined(trace) if head is None else trace, layer, resolution, head)
    layout = trace.view.record.layout
    groups: dict[int, list[int]] = {}
    for step in range(layout.steps):
        groups.setdefault(layout.bin(step), []).append(step)
    slices = [slice(group[0], group[-1] + 1) for group in groups.values()]
    frames = [_token_maps(part), *(_token_maps(part.at(steps=one)) for one in slices)]
    return _pack(frames, grid(trace))


def heads(trace: Trace, layer: str, resolution: str | int, step: int) -> dict[str, Any]:
    """A frame for each head of that part of the trace; `step` 0 is all, 1 the first."""
    part = narrowed(trace, layer, resolution, None)
    if step:
        part = part.at(steps=_group(trace, step - 1))
    count = min(site.heads for site in part.view.sites)
    return _pack([_token_maps(part.at(heads=head)) for head in range(count)], grid(trace))


def narrowed(trace: Trace, layer: str, resolution: str | int, head: int | None) -> Trace:
    """The part of a trace that the page asks for."""
    layers: Layers | None = None if layer == ALL else layer
    size = None if resolution == ALL else int(resolution)
    # What is asked by name is shown with all its sites, not the nearest to 16 x 16 alone.
    part = trace if layers is None and size is None else trace.by("mean")
    return part.at(layers=layers, resolution=size, heads=head)


def _group(trace: Trace, step: int) -> slice:
    layout = trace.view.record.layout
    if not 0 <= step < layout.steps:
        raise TraceError(f"The picture has steps 1 to {layout.steps}, but {step + 1} was asked.")
    together = [s for s in range(layout.steps) if layout.bin(s) == layout.bin(step)]
    return slice(together[0], together[-1] + 1)


def _token_maps(trace: Trace) -> list[HeatMap]:
    """A map for each token of the prompt, start and end too, and last the padding's."""
    layout = trace.view.record.layout
    maps = [trace.token(index) for index in range(layout.tokens)]
    return [*maps, trace.padding]


def _pack(frames: Sequence[Sequence[HeatMap]], size: tuple[int, int]) -> dict[str, Any]:
    maps = torch.stack([_fitted(one.data, size) for frame in frames for one in frame])
    top = maps.flatten(1).amax(1)
    levels = maps / top.clamp(min=torch.finfo(maps.dtype).tiny)[:, None, None] * 255
    return {
        "frames": len(frames),
        "bytes": base64.b64encode(levels.round().to(torch.uint8).numpy().tobytes()).decode(),
        "top": [float(f"{value:.4g}") for value in top],
        "mass": [float(f"{one.mass:.4g}") for frame in frames for one in frame],
    }


def _fitted(data: Tensor, size: tuple[int, int]) -> Tensor:
    return F.adaptive_avg_pool2d(data[None], size)[0]
