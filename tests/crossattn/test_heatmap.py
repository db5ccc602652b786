"""How a map is drawn."""

import numpy as np
import torch
from PIL import Image

from crossattn import HeatMap

PICTURE = Image.new("RGB", (64, 48), (90, 160, 90))


def peak(level: float) -> HeatMap:
    """A map that is 0.1 everywhere but in one corner, where it is more by `level`."""
    data = torch.full((6, 8), 0.1)
    data[:2, :2] += level
    return HeatMap("car", data, float(data.mean()))


def test_an_overlay_has_the_pictures_size_and_shines_where_the_word_went() -> None:
    pixels = np.asarray(peak(0.5).overlay(PICTURE), dtype=int)
    assert pixels.shape == (48, 64, 3)
    assert pixels[4, 4].sum() > 2 * pixels[40, 50].sum()


def test_a_map_that_is_nearly_flat_stays_faint() -> None:
    loud, faint = (np.asarray(peak(x).overlay(PICTURE), dtype=int)[4, 4] for x in (0.5, 0.005))
    assert loud.sum() > 2 * faint.sum()


def test_a_map_without_any_attention_is_drawn_dark() -> None:
    empty = HeatMap("car", torch.zeros(6, 8), 0.0)
    assert np.asarray(empty.overlay(PICTURE)).max() < 100
    assert not empty.mask().any()


def test_resizing_keeps_a_map_at_zero_or_above_and_its_mean_about() -> None:
    resized = peak(0.5).resize(48, 64)
    assert resized.data.min() >= 0
    torch.testing.assert_close(resized.data.mean(), peak(0.5).data.mean(), rtol=0.05, atol=0)


def test_the_mask_is_where_the_map_exceeds_its_threshold() -> None:
    assert peak(0.5).mask(0.4).sum() == 4
