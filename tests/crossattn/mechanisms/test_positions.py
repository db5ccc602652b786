"""Positions against NumPy and diffusers, and what they add to attention."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers.models.embeddings import apply_rotary_emb, get_1d_rotary_pos_embed
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms import attend, dot, rotary, sinusoidal

Draw = Callable[..., Tensor]


def test_sinusoidal_positions_equal_numpy() -> None:
    table = sinusoidal(torch.arange(50, dtype=torch.float64), 16)

    expected = np.empty((50, 16))
    for position, channel in np.ndindex(50, 8):
        angle = position / 10_000 ** (2 * channel / 16)
        expected[position, 2 * channel] = math.sin(angle)
        expected[position, 2 * channel + 1] = math.cos(angle)
    np.testing.assert_allclose(table.numpy(), expected, rtol=0, atol=1e-10)


def test_rotary_positions_equal_those_of_flux(draw: Draw) -> None:
    query = draw(2, 3, 50, 16)
    positions = torch.arange(50, dtype=torch.float64)
    frequencies = get_1d_rotary_pos_embed(
        16, positions, use_real=True, repeat_interleave_real=True, freqs_dtype=torch.float64
    )

    turned = rotary(query, positions)

    # diffusers answers in single precision
    expected = apply_rotary_emb(query, frequencies)
    torch.testing.assert_close(turned, expected.double(), rtol=0, atol=1e-5)


def test_rotary_positions_equal_a_complex_product(draw: Draw) -> None:
    query = draw(2, 3, 50, 16)
    angles = np.outer(np.arange(50), 10_000 ** (-np.arange(8) / 8))

    turned = rotary(query, torch.arange(50))

    pairs = query.numpy()[..., 0::2] + 1j * query.numpy()[..., 1::2]
    expected = pairs * np.exp(1j * angles)
    np.testing.assert_allclose(turned.numpy()[..., 0::2], expected.real, rtol=0, atol=1e-10)
    np.testing.assert_allclose(turned.numpy()[..., 1::2], expected.imag, rtol=0, atol=1e-10)


def test_rotary_scores_know_only_the_distance(draw: Draw) -> None:
    query, key = draw(5, 8), draw(5, 8)
    here, far = torch.arange(5), torch.arange(5) + 1000

    near_scores = dot(rotary(query, here), rotary(key, here))
    far_scores = dot(rotary(query, far), rotary(key, far))

    torch.testing.assert_close(near_scores, far_scores, rtol=0, atol=1e-10)


def test_attention_ignores_order_until_positions_are_added(draw: Draw) -> None:
    sequence = draw(6, 8)
    reversed_sequence = sequence.flip(0)
    table = sinusoidal(torch.arange(6, dtype=torch.float64), 8)

    plain, _ = attend(sequence, sequence, sequence)
    plain_reversed, _ = attend(reversed_sequence, reversed_sequence, reversed_sequence)
    placed, _ = attend(*[sequence + table] * 3)
    placed_reversed, _ = attend(*[reversed_sequence + table] * 3)

    torch.testing.assert_close(plain_reversed, plain.flip(0), rtol=0, atol=1e-10)
    assert (placed_reversed - placed.flip(0)).abs().max() > 0.1


def test_rotary_keeps_half_precision(draw: Draw) -> None:
    query = draw(2, 9, 8).bfloat16()

    turned = rotary(query, torch.arange(9))

    exact = rotary(query.double(), torch.arange(9))
    assert turned.dtype == torch.bfloat16
    torch.testing.assert_close(turned.double(), exact, rtol=1.01 * 2**-8, atol=1e-5)


def test_an_odd_width_is_refused(draw: Draw) -> None:
    with pytest.raises(ControlError, match="width must be even: 7"):
        sinusoidal(torch.arange(3), 7)
    with pytest.raises(ControlError, match="width must be even: 7"):
        rotary(draw(3, 7), torch.arange(3))
