from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossattn.errors import InputError
from crossattn.pipelines.mask_picture import read_mask
from crossattn.pipelines.regions import GRID, picture_rows

LEFT = np.zeros((32, 48), dtype=bool)
LEFT[:, :24] = True


def read(image: Image.Image, folder: Path, name: str = "mask.png") -> np.ndarray:
    image.save(folder / name)
    return read_mask(folder / name)


def layer(paint: object, ground: object) -> Image.Image:
    """The left half painted, in RGBA."""
    image = Image.new("RGBA", (48, 32), ground)
    image.paste(paint, (0, 0, 24, 32))
    return image


@pytest.mark.parametrize("paint", ["white", "black", "red", "#777"])
@pytest.mark.parametrize("under", [(0, 0, 0, 0), (255, 255, 255, 0), (255, 0, 0, 0)])
def test_whatever_is_painted_on_a_transparent_ground_is_inside(
    paint: str, under: tuple[int, ...], tmp_path: Path
) -> None:
    assert np.array_equal(read(layer(paint, under), tmp_path), LEFT)


def test_on_a_transparent_ground_white_is_inside_where_there_is_black_too(tmp_path: Path) -> None:
    image = layer("white", (255, 255, 255, 0))
    image.paste("black", (30, 0, 40, 32))
    assert np.array_equal(read(image, tmp_path), LEFT)
    several = layer("blue", (0, 0, 0, 0))
    several.paste("red", (0, 0, 10, 32))
    assert np.array_equal(read(several, tmp_path), LEFT)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_white_on_black_is_inside_in_every_mode(mode: str, tmp_path: Path) -> None:
    if mode in ("I;16", "F"):
        kind = np.uint16 if mode == "I;16" else np.float32
        image = Image.fromarray(LEFT.astype(kind) * kind(65535 if mode == "I;16" else 1))
    else:
        image = layer("white", "black").convert("RGB").convert(mode)
    name = "mask.tif" if mode in ("CMYK", "F") else "mask.png"
    assert np.array_equal(read(image, tmp_path, name), LEFT)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("top", [1, 3, 255])
def test_of_two_greys_the_lighter_is_inside(kind: type, top: int, tmp_path: Path) -> None:
    assert np.array_equal(read(Image.fromarray(LEFT.astype(kind) * kind(top)), tmp_path), LEFT)


def test_a_mask_with_soft_edges_is_inside_from_half_on(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, 48).astype(np.uint8), (32, 48))
    assert np.array_equal(read(Image.fromarray(np.ascontiguousarray(ramp)), tmp_path), ~LEFT)


def test_pictures_that_do_not_say_what_is_inside_are_told(tmp_path: Path) -> None:
    classes = Image.new("P", (48, 32))
    classes.putpalette([0, 0, 0, 128, 0, 0, 224, 224, 192])
    classes.paste(1, (0, 0, 24, 32))
    classes.paste(2, (24, 0, 26, 32))
    with pytest.raises(InputError, match="has several colours, and which of them is inside"):
        read(classes, tmp_path)
    for nothing in (Image.new("L", (8, 8)), Image.new("RGBA", (8, 8), (255, 255, 255, 0))):
        with pytest.raises(InputError, match="found no white and no paint"):
            read(nothing, tmp_path)


def test_what_is_thin_or_small_is_still_there(tmp_path: Path) -> None:
    picture = Image.new("L", (1024, 1024))
    picture.paste(255, (0, 0, 320, 320))
    picture.paste(255, (500, 600, 505, 605))
    picture.paste(255, (0, 902, 1024, 904))
    picture.paste(255, (799, 0, 801, 600))
    picture.save(tmp_path / "mask.png")
    rows = picture_rows(tmp_path / "mask.png")
    assert len(rows) == GRID
    assert {row[:20] for row in rows[:20]} == {"#" * 20}
    assert rows[20][:40] == "." * 40
    assert rows[37][31] == "#"
    assert rows[56] == "#" * GRID
    assert {row[49:51] for row in rows[1:36]} == {"##"}
    assert sum(row.count("#") for row in rows) < 20 * 20 + 2 + GRID + 2 * 40
