"""The judge: a small detector, trained on renders alone, that says what a picture shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crossattn.errors import InputError
from crossattn.pipelines.emoji_sd import model_path
from crossattn.pipelines.emoji_sd.autoencoder import to_tensor
from crossattn.pipelines.emoji_sd.checkpoint import seeded
from crossattn.pipelines.emoji_sd.device import autocast, device_of
from crossattn.pipelines.emoji_sd.scenes import SIDE, Scene, make_scene, render
from crossattn.pipelines.emoji_sd.vocabulary import (
    AMOUNTS,
    COLOURS,
    OBJECTS,
    PLACES,
    SIZES,
    STYLES,
)

_CELL: Final = 8
_SEEN: Final = 0.15  # finds 99 % of the objects in renders, and hardly one that is not there
_COLOURS: Final = (None, *COLOURS)
_NAMES: Final = tuple(OBJECTS)
_SIZES: Final = tuple(SIZES)
_LOCAL: Final[dict[str, tuple[str | None, ...]]] = {
    "name": _NAMES,
    "colour": _COLOURS,
    "size": _SIZES,
}
_GLOBAL: Final = {"place": tuple(PLACES), "amount": tuple(AMOUNTS), "style": tuple(STYLES)}


@dataclass(frozen=True)
class Sighting:
    """An object in a picture: noun, colour (None: natural), size, centre in pixels, and how sure
    the judge is of it, from 0 to 1."""

    name: str
    colour: str | None
    size: str
    x: float
    y: float
    confidence: float


@dataclass(frozen=True)
class Verdict:
    """What a picture shows; `snow` is the amount as a mean over what the judge holds possible,
    from 0 (none) to 3 (heavy)."""

    things: tuple[Sighting, ...]
    place: str
    amount: str
    style: str
    snow: float

    def find(self, name: str) -> Sighting | None:
        """The surest sighting of an object, if it was seen at all."""
        seen = [thing for thing in self.things if thing.name == name]
        return max(seen, key=lambda thing: thing.confidence, default=None)


def relation(first: Sighting, second: Sighting) -> str:
    """How the first object lies to the second: left of, right of, above or below it."""
    across, down = first.x - second.x, first.y - second.y
    if abs(across) > abs(down):
        return "left of" if across < 0 else "right of"
    return "above" if down < 0 else "below"


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.second(F.silu(self.first(F.silu(self.norm(x)))))
        return x + hidden


class Judge(nn.Module):
    """Looks at 128×128 pictures; each cell of a 16×16 grid says whether an object's centre lies
    in it, and which; the mean over the cells says the place, the amount of snow and the style."""

    def __init__(self, width: int = 112) -> None:
        super().__init__()
        stem = [3, width // 4, width // 2, width]
        self.stem = nn.Sequential()
        for before, after in itertools.pairwise(stem):
            self.stem.extend([nn.Conv2d(before, after, 4, 2, 1), nn.SiLU()])
        self.body = nn.Sequential(*(_Block(width) for _ in range(3)))
        self.local = nn.Conv2d(width, 1 + sum(map(len, _LOCAL.values())), 1)
        self.overall = nn.Linear(width, sum(map(len, _GLOBAL.values())))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pictures: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Logits for pictures (batch, 3, 128, 128) of -1 to 1: of centres (batch, 16, 16), of each
        cell's object (batch, choices, 16, 16) and of the whole (batch, choices)."""
        features = F.silu(self.body(self.stem(pictures)))
        cells = self.local(features).float()
        whole = self.overall(features.mean((2, 3))).float()
        local = cells[:, 1:].split([len(choices) for choices in _LOCAL.values()], dim=1)
        overall = whole.split([len(choices) for choices in _GLOBAL.values()], dim=1)
        return (
            cells[:, 0],
            dict(zip(_LOCAL, local, strict=True)),
            dict(zip(_GLOBAL, overall, strict=True)),
        )

    @torch.inference_mode()
    def look(self, pictures: Sequence[Image.Image | NDArray[np.uint8]]) -> list[Verdict]:
        """What each picture shows: PIL images or (128, 128, 3) arrays of 0 to 255.

        A picture of another size raises InputError.
        """
        if not pictures:
            return []
        arrays = [np.asarray(picture) for picture in pictures]
        for array in arrays:
            if array.shape != (SIDE, SIDE, 3):
                raise InputError(
                    f"The judge looks at RGB pictures of {SIDE}×{SIDE} pixels, and one has the "
                    f"shape {array.shape}: resize it, or convert it to RGB."
                )
        centres, local, overall = self(to_tensor(np.stack(arrays)))
        sure = torch.sigmoid(centres)
        # A centre near the border of two cells is shared between them.
        mass = 9 * F.avg_pool2d(sure, 3, 1, 1)
        peaks = (sure == F.max_pool2d(sure, 5, 1, 2)) & (mass > _SEEN)
        verdicts = []
        for index in range(len(arrays)):
            things = []
            for y, x in peaks[index].nonzero().tolist():
                best = {key: int(local[key][index, :, y, x].argmax()) for key in _LOCAL}
                sighting = Sighting(
                    name=_NAMES[best["name"]],
                    colour=_COLOURS[best["colour"]],
                    size=_SIZES[best["size"]],
                    x=(x + 0.5) * _CELL,
                    y=(y + 0.5) * _CELL,
                    confidence=min(1.0, float(mass[index, y, x])),
                )
                things.append(sighting)
            whole = {k: choices[int(overall[k][index].argmax())] for k, choices in _GLOBAL.items()}
            snow = overall["amount"][index].softmax(0) @ torch.arange(float(len(AMOUNTS)))
            verdicts.append(Verdict(tuple(things), **whole, snow=float(snow)))
        return verdicts

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """The judge that ships, or another one's file (safetensors)."""
        judge = cls()
        weights = load_file(path or model_path() / "judge.safetensors")
        judge.load_state_dict({name: weight.float() for name, weight in weights.items()})
        return judge.eval()

    def save(self, path: Path) -> None:
        """Write the weights in half precision."""
        path.parent.mkdir(parents=True, exist_ok=True)
        weights = {name: w.detach().half().contiguous() for name, w in self.state_dict().items()}
        save_file(weights, path)


def render_scenes(step: int, batch: int) -> tuple[list[Scene], NDArray[np.uint8]]:
    """The training scenes of a step, and their pictures (batch, 128, 128, 3)."""
    scenes = [make_scene(seed) for seed in range(step * batch, (step + 1) * batch)]
    return scenes, np.stack([render(scene).pixels for scene in scenes])


def judge_loss(
    judge: Judge, rendered: Callable[[int], tuple[list[Scene], NDArray[np.uint8]]]
) -> Callable[[int], Tensor]:
    """The loss of a training step, on the renders of training scenes that `rendered` gives, half
    of them blurred a little and all slightly noisy, because generated pictures are."""
    device = device_of(judge)

    def loss(step: int) -> Tensor:
        drawn, pixels = rendered(step)
        pictures = to_tensor(pixels)
        pictures[::2] = F.avg_pool2d(pictures[::2], 3, 1, 1, count_include_pad=False)
        noise = torch.randn(pictures.shape, generator=seeded("judge", step))
        pictures = (pictures + 0.04 * noise).to(device, memory_format=torch.channels_last)
        with autocast(device):
            centres, local, overall = judge(pictures)
        wanted = torch.zeros_like(centres)
        things = [(i, thing) for i, scene in enumerate(drawn) for thing in scene.things]
        rows = torch.tensor([i for i, _ in things])
        y, x = (torch.tensor([getattr(t, a) // _CELL for _, t in things]) for a in "yx")
        wanted[rows, y, x] = 1.0
        total = 20 * F.binary_cross_entropy_with_logits(centres, wanted)
        for key, choices in _LOCAL.items():
            truth = torch.tensor([choices.index(getattr(thing, key)) for _, thing in things])
            total = total + F.cross_entropy(local[key][rows, :, y, x], truth.to(device))
        for key, choices in _GLOBAL.items():
            truth = torch.tensor([choices.index(getattr(scene, key)) for scene in drawn])
            total = total + 0.5 * F.cross_entropy(overall[key], truth.to(device))
        return total

    return loss
