import json
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossattn.errors import InputError, RecipeError
from crossattn.pipelines.picture import parameters, read_picture, read_recipe, to_png
from crossattn.pipelines.recipe import Recipe

RECIPE = Recipe(
    prompt="ein Café, 猫 and a 😀",
    negative_prompt="rain",
    seed=7,
    steps=25,
    guidance=7.5,
    height=64,
    width=96,
    versions={"crossattn": "1.0"},
)


def noise(width: int = 96, height: int = 64) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(picture: Image.Image, extra: bytes, *, at_the_end: bool = False) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    data = file.getvalue()
    cut = len(data) - 12 if at_the_end else 33
    return data[:cut] + extra + data[cut:]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "picture.png"


def test_a_png_brings_back_its_pixels_and_its_recipe(path: Path) -> None:
    path.write_bytes(to_png(noise(), RECIPE, "DDIMScheduler"))
    assert read_recipe(path) == RECIPE
    assert np.array_equal(np.asarray(read_picture(path)), np.asarray(noise()))


def test_a_png_can_be_read_by_programs_that_know_a1111s_parameters(path: Path) -> None:
    path.write_bytes(to_png(noise(), RECIPE, "DDIMScheduler"))
    with Image.open(path) as picture:
        text = picture.info["parameters"]
        assert json.loads(picture.info["crossattn"])["version"] == 1
    assert text == (
        "ein Café, 猫 and a 😀\n"
        "Negative prompt: rain\n"
        "Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 7, Size: 96x64, Model: emoji-sd, "
        "Dialect: compel, Version: crossattn 1.0"
    )


def test_the_same_picture_and_recipe_give_the_same_bytes() -> None:
    assert to_png(noise(), RECIPE, "DDIM") == to_png(noise(), RECIPE, "DDIM")


def test_a_picture_without_a_recipe_is_told(path: Path) -> None:
    noise().save(path)
    with pytest.raises(InputError, match="carries no recipe"):
        read_recipe(path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"prompt": "a", "seed": -1}', "[" * 5000])
def test_a_recipe_that_somebody_spoiled_is_refused(path: Path, text: str) -> None:
    path.write_bytes(with_chunk(noise(), chunk(b"iTXt", b"crossattn\0\0\0\0\0" + text.encode())))
    with pytest.raises(RecipeError):
        read_recipe(path)


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize(
    ("kind", "head"), [(b"zTXt", b"crossattn\0\0"), (b"iTXt", b"crossattn\0\1\0\0\0")]
)
def test_a_text_that_unpacks_to_far_too_much_is_refused(
    path: Path, kind: bytes, head: bytes, at_the_end: bool
) -> None:
    bomb = chunk(kind, head + zlib.compress(b"a" * 20_000_000))
    path.write_bytes(with_chunk(noise(), bomb, at_the_end=at_the_end))
    for read in (read_picture, read_recipe):
        with pytest.raises(InputError, match="cannot be read as a picture"):
            read(path)


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_unpacked(
    path: Path, side: int
) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    with pytest.raises(InputError, match="too many pixels"):
        read_picture(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        with_chunk(noise(), b"")[:300],
        with_chunk(noise(), b"").replace(b"IDAT", b"IDAX"),
        with_chunk(noise(), b"")[:2000] + b"\xff" * 500,
        b"GIF89a",
    ],
    ids=["zero bytes", "text", "cut off", "no pixels", "spoiled", "nearly a GIF"],
)
def test_a_broken_picture_is_told_in_one_sentence(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_picture_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no picture"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_picture(tmp_path)


def test_every_usual_kind_of_picture_comes_as_upright_rgb(tmp_path: Path) -> None:
    def read(picture: Image.Image, name: str, **options: object) -> Image.Image:
        picture.save(tmp_path / name, **options)
        result = read_picture(tmp_path / name)
        assert result.mode == "RGB"
        return result

    red = Image.new("RGB", (8, 16), "red")
    assert read(red.convert("P"), "a.gif").getpixel((0, 0)) == (255, 0, 0)
    assert read(red.convert("L"), "b.png").getpixel((0, 0)) == (76, 76, 76)
    assert read(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "c.tif").getpixel((0, 0)) == (
        255,
        0,
        0,
    )
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert read(clear, "d.png").getpixel((0, 0)) == (255, 255, 255)
    deep = Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16))
    assert read(deep, "e.png").getpixel((0, 0)) == (128, 128, 128)
    turned = Image.Exif()
    turned[0x0112] = 6
    assert read(red, "f.jpg", exif=turned).size == (16, 8)


def test_the_parameters_of_an_edit_are_of_what_it_shows() -> None:
    recipe = Recipe(
        prompt="a red car, parked",
        edit={"prompt": "a blue boat"},
        regions=[{"word": "boat", "mask": ["#."]}, {"word": "car", "mask": ["#."]}],
        dialect="a1111",
    )
    prompt, settings = parameters(recipe, "DDIMScheduler").split("\n")
    assert prompt == "a blue boat"
    assert 'Edit of: "a red car, parked", Regions: "boat, car", Dialect: a1111' in settings
    assert "Edit of" not in parameters(recipe.replace(edit=None), "DDIMScheduler")
