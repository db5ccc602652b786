"""The seam against torch's own scaled dot product attention, and its manners."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crossattn.errors import ControlError
from crossattn.mechanisms import attend, causal, dot, fused, window

Draw = Callable[..., Tensor]


def test_attend_equals_torch_for_self_and_cross_attention(draw: Draw) -> None:
    query, key, value = draw(2, 3, 7, 8), draw(2, 3, 5, 8), draw(2, 3, 5, 4)

    output, weights = attend(query, key, value)

    expected = functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(weights @ value, expected, rtol=0, atol=1e-10)
    assert weights.shape == (2, 3, 7, 5)


def test_attend_with_the_causal_mask_equals_torch(draw: Draw) -> None:
    query, key, value = draw(2, 3, 9, 8), draw(2, 3, 9, 8), draw(2, 3, 9, 8)

    output, weights = attend(query, key, value, mask=causal(9, 9))

    expected = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)
    assert not weights.triu(1).any()


def test_unscaled_attend_equals_torch_at_scale_one(draw: Draw) -> None:
    query, key, value = draw(1, 2, 6, 8), draw(1, 2, 4, 8), draw(1, 2, 4, 8)

    output, _ = attend(query, key, value, score=dot)

    expected = functional.scaled_dot_product_attention(query, key, value, scale=1.0)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_fused_gives_the_written_out_output(draw: Draw, groups: int) -> None:
    query, key, value = draw(2, 4, 7, 8), draw(2, groups, 5, 8), draw(2, groups, 5, 8)
    mask = draw(2, 1, 7, 5) > -0.5
    mask[0, 0, 3] = False

    shared_key, shared_value = (x.repeat_interleave(4 // groups, 1) for x in (key, value))
    expected, _ = attend(query, shared_key, shared_value, mask=mask)

    torch.testing.assert_close(fused(query, key, value, mask), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_off_by_no_more_than_its_rounding(draw: Draw, dtype: torch.dtype) -> None:
    query, key, value = (draw(2, 2, 33, 64).to(dtype) for _ in range(3))

    output, weights = attend(4 * query, key, value)

    exact_output, exact_weights = attend(4 * query.double(), key.double(), value.double())
    rounding = torch.finfo(dtype).eps / 2
    assert output.dtype == weights.dtype == dtype
    for got, exact in ((output, exact_output), (weights, exact_weights)):
        smallest = torch.finfo(dtype).tiny * rounding + 1e-6
        torch.testing.assert_close(got.double(), exact, rtol=1.01 * rounding, atol=smallest)


def test_a_query_with_no_key_left_gets_zeros_and_a_gradient_without_nan(draw: Draw) -> None:
    query, key, value = (draw(1, 2, 4, 8).requires_grad_() for _ in range(3))
    mask = causal(4, 4)
    mask[2] = False

    output, weights = attend(query, key, value, mask=mask)
    (output.square().sum() + weights.square().sum()).backward()

    assert not output[:, :, 2].any()
    assert not weights[:, :, 2].any()
    for tensor in (query, key, value):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.any()


def test_a_score_may_rule_out_every_key_of_a_query_by_itself(draw: Draw) -> None:
    query, key, value = (draw(4, 8).requires_grad_() for _ in range(3))
    bias = torch.zeros(4, 4, dtype=torch.float64).index_fill(0, torch.tensor([2]), -torch.inf)

    output, weights = attend(query, key, value, score=lambda q, k: dot(q, k) + bias)
    (output.square().sum() + weights.square().sum()).backward()

    assert not output[2].any()
    assert not weights[2].any()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (query, key, value))


def test_no_keys_at_all_give_zeros(draw: Draw) -> None:
    output, weights = attend(draw(1, 1, 3, 8), draw(1, 1, 0, 8), draw(1, 1, 0, 5))

    assert torch.equal(output, torch.zeros(1, 1, 3, 5, dtype=torch.float64))
    assert weights.shape == (1, 1, 3, 0)


def test_inputs_are_left_as_they_were(draw: Draw) -> None:
    tensors = [draw(1, 2, 4, 8) for _ in range(3)]
    before = [tensor.clone() for tensor in tensors]

    attend(*tensors, mask=causal(4, 4))
    attend(*tensors, mask=window(4, 4, 1))

    assert all(torch.equal(now, then) for now, then in zip(tensors, before, strict=True))


def test_a_mask_that_is_not_boolean_is_refused(draw: Draw) -> None:
    query = draw(1, 1, 4, 8)
    with pytest.raises(ControlError, match=r"must be boolean.*got torch.float64"):
        attend(query, query, query, mask=draw(4, 4))


@pytest.mark.parametrize("shape", [(4, 5), (3, 4), (2, 1, 4, 4), (1, 1, 1, 4, 4)])
def test_a_mask_of_another_shape_is_refused(draw: Draw, shape: tuple[int, ...]) -> None:
    query = draw(1, 1, 4, 8)
    with pytest.raises(ControlError, match=r"must broadcast to .*\(1, 1, 4, 4\); got"):
        attend(query, query, query, mask=torch.ones(shape, dtype=torch.bool))


def test_a_pattern_for_other_lengths_is_refused(draw: Draw) -> None:
    query = draw(1, 1, 4, 8)
    with pytest.raises(ControlError, match="4 queries and 4 keys; it is for 4 and 6"):
        attend(query, query, query, mask=window(4, 6, 1))


def test_keys_without_values_are_refused(draw: Draw) -> None:
    with pytest.raises(ControlError, match="got 5 keys and 6 values"):
        attend(draw(1, 1, 4, 8), draw(1, 1, 5, 8), draw(1, 1, 6, 8))


def test_fewer_key_heads_are_refused_with_the_way_to_share_them(draw: Draw) -> None:
    with pytest.raises(ControlError, match=r"agree in batch and heads.*grouped_query"):
        attend(draw(1, 4, 3, 8), draw(1, 2, 3, 8), draw(1, 2, 3, 8))


def test_unequal_widths_are_refused_with_the_scores_that_take_them(draw: Draw) -> None:
    with pytest.raises(ControlError, match=r"keys of width 8; got 8 and 6.*General or Additive"):
        attend(draw(1, 1, 3, 8), draw(1, 1, 3, 6), draw(1, 1, 3, 8))
