from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crossattn.pipelines import sheets
from crossattn.pipelines.preview import Preview
from crossattn.pipelines.sheets import PAPER, Tile, contact_sheet, enlarged, film, fitted


def tile(label: str = "car", colour: str = "red", size: tuple[int, int] = (64, 64)) -> Tile:
    return Tile(Image.new("RGB", size, colour), label, "4.2%")


def test_a_small_picture_is_enlarged_by_a_whole_factor_and_a_large_one_left() -> None:
    assert enlarged(Image.new("RGB", (128, 96))).size == (384, 288)
    assert enlarged(Image.new("RGB", (512, 768))).size == (512, 768)


def test_a_picture_of_any_shape_is_fitted_to_a_tile() -> None:
    assert fitted(Image.new("RGB", (1024, 512))).size == (256, 128)
    assert fitted(Image.new("RGB", (8, 2048))).size == (1, 256)


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 30),
    width=st.integers(20, 200),
    height=st.integers(20, 200),
    title=st.text(max_size=400),
    label=st.text(max_size=60),
)
def test_every_tile_of_a_sheet_is_seen_whole(
    count: int, width: int, height: int, title: str, label: str
) -> None:
    tiles = [tile(label, "red", (width, height)) for _ in range(count)]
    sheet = np.asarray(contact_sheet(tiles, title=title, footer="seed 7"))
    assert int((sheet == (255, 0, 0)).all(axis=-1).sum()) == count * width * height
    assert tuple(sheet[0, 0]) == tuple(sheet[-1, -1]) == PAPER


def test_words_that_do_not_fit_under_their_tile_are_cut_and_do_not_touch_the_next() -> None:
    sheet = np.asarray(contact_sheet([tile("m" * 500), tile()], title="", footer=""))
    margin = sheet[:, -36:]
    assert (margin == PAPER).all()


def test_a_film_has_a_frame_for_each_sheet_and_runs_for_ever() -> None:
    frames = [
        contact_sheet([tile(colour=colour)], title="a car", footer="", share=share)
        for share, colour in ((0.5, "red"), (1.0, "blue"))
    ]
    with Image.open(BytesIO(film(frames))) as moving:
        assert moving.n_frames == 2  # type: ignore[attr-defined]
        assert moving.size == frames[0].size
        assert moving.info["loop"] == 0


def test_a_preview_finds_the_colours_that_latents_stand_for() -> None:
    generator = torch.Generator().manual_seed(0)
    finished = torch.randn(1, 4, 8, 12, generator=generator)
    mix = torch.rand(3, 4, generator=generator) - 0.5
    colours = (128 + 40 * torch.einsum("ck,khw->chw", mix, finished[0])).clamp(0, 255)
    picture = Image.fromarray(colours.permute(1, 2, 0).round().to(torch.uint8).numpy())
    picture = picture.resize((96, 64), Image.Resampling.NEAREST)

    preview = Preview(finished, picture)
    noisy, last = preview.of(finished * 9), preview.of(finished)
    shown = torch.from_numpy(np.array(last)).permute(2, 0, 1).float()
    assert last.size == noisy.size == (12, 8)
    assert (shown - colours).abs().max() < 3
    assert np.array_equal(np.asarray(noisy), np.asarray(last))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_preview_of_flat_latents_is_flat(value: float) -> None:
    flat = torch.full((1, 4, 8, 8), value)
    shown = Preview(flat, Image.new("RGB", (64, 64), (10, 20, 30))).of(flat)
    assert np.asarray(shown).std(axis=(0, 1)).max() == 0


def test_letters_that_the_first_font_lacks_come_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"
    names = ("no-such-font.ttf", str(fonts / "DejaVuSans.ttf"))
    monkeypatch.setattr(sheets, "OTHER_FONTS", names)
    plain, other = (sheets.typeface(17, text).getname()[0] for text in ("a cat", "un café, Привет"))
    assert plain != other == "DejaVu Sans"
    monkeypatch.setattr(sheets, "OTHER_FONTS", ("no-such-font.ttf",))
    assert sheets.typeface(19, "un café").getname()[0] == plain
