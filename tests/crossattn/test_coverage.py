import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crossattn.coverage import WEAK, coverage, is_weak, strength
from crossattn.heatmap import HeatMap


def heat(data: torch.Tensor) -> HeatMap:
    return HeatMap("car", data, float(data.mean()))


def test_a_word_covers_the_places_where_it_has_much_of_the_attention() -> None:
    data = torch.zeros(16, 16)
    data[:4, :8] = 0.7
    assert coverage(heat(data)) == 32 / 256


def test_a_small_word_that_has_a_little_everywhere_covers_nothing_and_is_weak() -> None:
    everywhere = heat(torch.full((16, 16), 0.06))
    assert everywhere.mass > 0.05, "though it has much attention in all"
    assert coverage(everywhere) == 0
    assert is_weak(everywhere)


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_attention_never_covers_less(low: float, high: float) -> None:
    low, high = sorted((low, high))
    some = torch.linspace(0, 1, 64).reshape(8, 8)
    less, more = heat(some * low), heat(some * high)
    assert 0 <= coverage(less) <= coverage(more) <= 1
    assert is_weak(less) or not is_weak(more)


@pytest.mark.parametrize(("most", "drawn"), [(0.05, 1 / 16), (0.1, 1 / 4), (0.3, 1), (0.7, 1)])
def test_what_covers_nothing_is_drawn_faintly(most: float, drawn: float) -> None:
    data = torch.zeros(16, 16)
    data[3, 3] = most
    assert strength(heat(data)) == pytest.approx(drawn)
    assert is_weak(heat(data)) == (most <= WEAK) == (coverage(heat(data)) == 0)


def test_where_pixels_attend_to_pixels_too_the_share_is_of_what_the_text_gets() -> None:
    data = torch.zeros(16, 16)
    data[:4, :8] = 0.07
    joint = HeatMap("car", data, float(data.mean()), within=0.12)
    assert coverage(joint) == 32 / 256
    assert not is_weak(joint)
    assert strength(joint) == 1


def test_a_weak_map_is_drawn_weak() -> None:
    data = torch.zeros(16, 16)
    data[:4, :8] = 0.5
    loud, weak = (
        np.asarray(heat(data * level).overlay(Image.new("RGB", (64, 64), (90, 90, 90)))).astype(int)
        for level in (1.0, 0.02)
    )
    assert loud[4, 4].sum() > 3 * weak[4, 4].sum()
