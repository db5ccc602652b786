"""The part of a picture that an inpainting pipeline draws, where it is told to crop to the mask."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crossattn.heatmap import resize
from crossattn.patches import PatchedMethod, listen


@dataclass(frozen=True)
class Crop:
    """A box in a picture of `width` × `height`, in pixels: what was drawn lies in it."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    def place(self, drawn: Tensor) -> Tensor:
        """A map (height, width) of what was drawn as one of the whole picture, 0 outside the box.

        Its pixels are as fine as those of `drawn`.
        """
        down = drawn.shape[0] / (self.bottom - self.top)
        across = drawn.shape[1] / (self.right - self.left)
        top, bottom = round(self.top * down), round(self.bottom * down)
        left, right = round(self.left * across), round(self.right * across)
        whole = torch.zeros(
            max(bottom, round(self.height * down)), max(right, round(self.width * across))
        )
        whole[top:bottom, left:right] = resize(drawn, bottom - top, right - left)
        return whole


class _PatchedCrop(PatchedMethod):
    name = "get_crop_region"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        box = self.plain(*args, **kwargs)
        mask = self.named(args, kwargs)["mask_image"]
        size = mask.size if hasattr(mask, "getbbox") else (mask.shape[-1], mask.shape[-2])
        for listener in self.listeners:
            listener(Crop(*map(int, box), *map(int, size)))
        return box


def hear_crops(pipe: Any, listener: Callable[[Crop], None]) -> Callable[[], None]:
    """Tell `listener` where a pipeline crops to; returns how to stop. Most never do."""
    processor = getattr(pipe, "mask_processor", None)
    if not hasattr(processor, _PatchedCrop.name):
        return lambda: None
    return listen(processor, _PatchedCrop, listener)
