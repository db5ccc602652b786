"""Scenes with known truth: one integer seed makes one scene, its picture, its masks, its boxes."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from crossattn.pipelines.emoji_sd.places import BACKDROP, backdrop
from crossattn.pipelines.emoji_sd.sprites import sprite, sticker
from crossattn.pipelines.emoji_sd.vocabulary import AMOUNTS, COLOURS, OBJECTS, PLACES, SIZES

SIDE: Final = 128
FLAKES: Final = {"none": (0, 0), "little": (6, 9), "some": (18, 24), "heavy": (44, 54)}
HAZE: Final = {"none": 0.0, "little": 0.0, "some": 0.14, "heavy": 0.34}

Split = Literal["train", "fresh", "heldout"]
"""train: what the model learns from; fresh: the same world, other seeds; heldout: every scene has
an object-colour pair or a relation between two objects that no training scene has."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are the first pixels outside."""


@dataclass(frozen=True)
class Thing:
    """One object of a scene: its noun, colour (None: natural), size, and centre in pixels."""

    name: str
    colour: str | None
    size: str
    x: int
    y: int
    grown: int = 0

    @property
    def side(self) -> int:
        """The longer side of the glyph in pixels."""
        return SIZES[self.size] + self.grown


@dataclass(frozen=True)
class Scene:
    """Everything that decides a picture and its caption; change one field for a counterfactual.

    `relation` is how the first thing lies to the second, `stated` whether the caption says so;
    `window` is the offset of the picture in its backdrop and whether that is mirrored; `flakes`
    seeds the snow (its density from 0 to 1 in `density`); `wording` seeds the caption.
    """

    place: str
    style: str
    amount: str
    things: tuple[Thing, ...]
    relation: str | None
    stated: bool
    window: tuple[int, int, bool]
    flakes: int
    density: float
    wording: int

    def with_thing(self, index: int, **changes: str | None) -> Scene:
        """The same scene and layout with one thing's name, colour or size changed."""
        things = list(self.things)
        things[index] = replace(things[index], **changes)  # type: ignore[arg-type]
        return replace(self, things=tuple(things))


@dataclass(frozen=True)
class Rendered:
    """A picture (128, 128, 3) RGB of 0 to 255, with each thing's visible mask (things, 128, 128)
    and the box around it."""

    pixels: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    boxes: tuple[Box, ...]


def held_out_pair(name: str, colour: str | None) -> bool:
    """Whether training never shows this object in this colour (one colour of every object)."""
    return colour is not None and (3 * list(OBJECTS).index(name) + 1) % len(COLOURS) == list(
        COLOURS
    ).index(colour)


def held_out_relation(first: str, relation: str, second: str) -> bool:
    """Whether training never shows these two objects in this arrangement (a twelfth of all)."""
    if relation in ("right of", "below"):
        first, second = second, first
        relation = {"right of": "left of", "below": "above"}[relation]
    return zlib.crc32(f"{first} {relation} {second}".encode()) % 12 == 0


def held_out(scene: Scene) -> bool:
    """Whether the scene has an object-colour pair or an arrangement kept out of training."""
    if any(held_out_pair(thing.name, thing.colour) for thing in scene.things):
        return True
    if scene.relation is None:
        return False
    return held_out_relation(scene.things[0].name, scene.relation, scene.things[1].name)


def make_scene(seed: int, split: Split = "train") -> Scene:
    """The scene of a seed: the same seed and split always give the same scene."""
    rng = random.Random(f"{split}:{seed}")
    while True:
        scene = _draw(rng)
        if held_out(scene) == (split == "heldout"):
            return scene


def _draw(rng: random.Random) -> Scene:
    count = rng.choices((1, 2, 3), (0.4, 0.42, 0.18))[0]
    relation, centres = _layout(rng, count)
    things = []
    for name, (x, y, room) in zip(rng.sample(list(OBJECTS), count), centres, strict=True):
        colour = rng.choice(list(COLOURS)) if rng.random() < 0.62 else None
        size = rng.choices(list(SIZES), (0.25, 0.48, 0.27))[0]
        slack = max(2, room - SIZES[size] // 2)
        x, y = x + rng.randint(-slack, slack), y + rng.randint(-slack, slack)
        things.append(Thing(name, colour, size, x, y, rng.randint(-2, 2)))
    return Scene(
        place=rng.choice(list(PLACES)),
        style="sticker" if rng.random() < 0.15 else "picture",
        amount=rng.choices(list(AMOUNTS), (0.58, 0.14, 0.14, 0.14))[0],
        things=tuple(things),
        relation=relation,
        stated=relation is not None and rng.random() < (0.72 if count == 2 else 0.5),
        window=(
            rng.randint(0, BACKDROP - SIDE),
            rng.randint(0, BACKDROP - SIDE),
            rng.random() < 0.5,
        ),
        flakes=rng.getrandbits(32),
        density=rng.random(),
        wording=rng.getrandbits(32),
    )


def _layout(rng: random.Random, count: int) -> tuple[str | None, list[tuple[int, int, int]]]:
    """A relation and, for each thing, its centre and how far it may reach from there."""
    if count == 1:
        return None, [(64, 64, 38)]
    relation = rng.choice(("left of", "right of", "above", "below"))
    aside, opposite = 64 + rng.randint(-9, 9), 64
    if count == 3:
        aside, opposite = rng.choice(((34, 95), (94, 33)))
    along = (95, 33) if relation in ("right of", "below") else (33, 95)
    spots = [(along[0], aside), (along[1], aside), (64, opposite)][:count]
    if relation in ("above", "below"):
        spots = [(x, y) for y, x in spots]
    return relation, [(x, y, 31) for x, y in spots]


@cache
def _flake(radius: float) -> NDArray[np.float32]:
    """How much a flake covers, (7, 7, 1) from 0 to 1."""
    y, x = np.mgrid[-3:4, -3:4]
    cover: NDArray[np.float32] = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1).astype(np.float32)
    return cover[..., None]


def _snow(canvas: NDArray[np.float32], scene: Scene) -> None:
    low, high = FLAKES[scene.amount]
    rng = random.Random(scene.flakes)
    for _ in range(round(low + (high - low) * scene.density)):
        x, y = rng.randint(3, SIDE - 4), rng.randint(3, SIDE - 4)
        cover = _flake(rng.choice((1.7, 2.2, 2.7)))
        spot = canvas[y - 3 : y + 4, x - 3 : x + 4]
        spot += (np.float32(253) - spot) * cover


def render(scene: Scene) -> Rendered:
    """Draw a scene; a pure function of it. Snow falls in front of the things, haze behind them."""
    left, top, mirrored = scene.window
    view = backdrop(scene.place, scene.style)[top : top + SIDE, left : left + SIDE]
    canvas = (view[:, ::-1] if mirrored else view).astype(np.float32)
    if haze := HAZE[scene.amount]:
        canvas += (np.array((226, 232, 242), np.float32) - canvas) * np.float32(haze)
    masks = np.zeros((len(scene.things), SIDE, SIDE), np.bool_)
    for index, thing in enumerate(scene.things):
        cut = sticker if scene.style == "sticker" else sprite
        glyph = cut(thing.name, thing.colour, thing.side)
        height, width = glyph.shape[:2]
        x = min(max(thing.x - width // 2, 0), SIDE - width)
        y = min(max(thing.y - height // 2, 0), SIDE - height)
        spot = canvas[y : y + height, x : x + width]
        cover = glyph[..., 3:] / np.float32(255)
        spot += (glyph[..., :3] - spot) * cover
        drawn = glyph[..., 3] > 0
        masks[:index, y : y + height, x : x + width] &= ~drawn
        masks[index, y : y + height, x : x + width] = drawn
    _snow(canvas, scene)
    pixels = np.clip(canvas + 0.5, 0, 255).astype(np.uint8)
    return Rendered(pixels, masks, tuple(_box(mask) for mask in masks))


def _box(mask: NDArray[np.bool_]) -> Box:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def scenes(split: Split, first: int, count: int) -> Iterator[Scene]:
    """The scenes of the seeds first, first + 1, ..., in order."""
    return (make_scene(seed, split) for seed in range(first, first + count))
