"""Linear attention against NumPy, and the weights it implies."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms import Kernel, attend, causal, elu_plus_one, linear

Draw = Callable[..., Tensor]


def linear_numpy(query: np.ndarray, key: np.ndarray, value: np.ndarray) -> np.ndarray:
    asked, offered = (np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))) for x in (query, key))
    output = np.empty((*query.shape[:-1], value.shape[-1]))
    for at in np.ndindex(*query.shape[:-1]):
        kernel = offered[at[:-1]] @ asked[at]
        output[at] = kernel @ value[at[:-1]] / kernel.sum()
    return output


def test_linear_attention_equals_numpy(draw: Draw) -> None:
    query, key, value = draw(2, 3, 7, 8), draw(2, 3, 5, 8), draw(2, 3, 5, 4)

    output = linear(query, key, value)

    expected = linear_numpy(query.numpy(), key.numpy(), value.numpy())
    np.testing.assert_allclose(output.numpy(), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("feature", [elu_plus_one, torch.relu])
def test_the_implied_weights_give_the_same_output(
    draw: Draw, feature: Callable[[Tensor], Tensor]
) -> None:
    query, key, value = draw(2, 3, 7, 8), draw(2, 3, 5, 8), draw(2, 3, 5, 4)

    output, weights = attend(query, key, value, score=Kernel(feature))

    torch.testing.assert_close(linear(query, key, value, feature), output, rtol=0, atol=1e-10)
    torch.testing.assert_close(weights @ value, output, rtol=0, atol=1e-10)


def test_masked_keys_count_for_nothing(draw: Draw) -> None:
    query, key, value = draw(2, 3, 7, 8), draw(2, 3, 5, 8), draw(2, 3, 5, 4)
    mask = torch.tensor([True, False, True, True, False])

    output = linear(query, key, value, mask=mask)

    alone = linear(query, key[..., mask, :], value[..., mask, :])
    torch.testing.assert_close(output, alone, rtol=0, atol=1e-10)


def test_a_query_that_no_key_answers_gets_zeros_and_a_gradient_without_nan(draw: Draw) -> None:
    query, key, value = (draw(4, 3) for _ in range(3))
    query[1] = -query[1].abs()
    for tensor in (query, key, value):
        tensor.requires_grad_()

    output = linear(query, key, value, torch.relu)
    implied, weights = attend(query, key, value, score=Kernel(torch.relu))
    (output.square().sum() + implied.square().sum()).backward()

    assert not output[1].any()
    assert not weights[1].any()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (query, key, value))


def test_bfloat16_is_off_by_no_more_than_its_rounding(draw: Draw) -> None:
    query, key, value = (draw(2, 2, 65, 16).bfloat16() for _ in range(3))

    output = linear(query, key, value)

    exact = linear(query.double(), key.double(), value.double())
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.double(), exact, rtol=1.01 * 2**-8, atol=1e-6)


def test_a_mask_of_pairs_is_refused(draw: Draw) -> None:
    with pytest.raises(ControlError, match=r"mask per pair, use attend with Kernel"):
        linear(draw(4, 8), draw(5, 8), draw(5, 8), mask=causal(5, 4))


def test_widths_that_differ_are_refused(draw: Draw) -> None:
    with pytest.raises(ControlError, match="Linear attention takes queries of width 8"):
        linear(draw(4, 8), draw(5, 6), draw(5, 8))
