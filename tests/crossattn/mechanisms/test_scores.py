"""Scores against NumPy, and what the scale is for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from crossattn.errors import ControlError
from crossattn.mechanisms import Additive, General, attend, dot, scaled_dot

Draw = Callable[..., Tensor]


def softmax_numpy(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_additive_attention_of_unequal_widths_equals_numpy(draw: Draw) -> None:
    query, key, value = draw(2, 3, 5, 6), draw(2, 3, 7, 4), draw(2, 3, 7, 8)
    query_weight, key_weight, vector = draw(9, 6), draw(9, 4), draw(9)

    output, weights = attend(query, key, value, score=Additive(query_weight, key_weight, vector))

    logits = np.empty((2, 3, 5, 7))
    for at in np.ndindex(2, 3, 5, 7):
        asked = query_weight.numpy() @ query[at[:3]].numpy()
        offered = key_weight.numpy() @ key[at[0], at[1], at[3]].numpy()
        logits[at] = vector.numpy() @ np.tanh(asked + offered)
    expected = softmax_numpy(logits)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(output.numpy(), expected @ value.numpy(), rtol=0, atol=1e-10)


def test_general_attention_of_unequal_widths_equals_numpy(draw: Draw) -> None:
    query, key, value, weight = draw(2, 5, 6), draw(2, 7, 4), draw(2, 7, 8), draw(6, 4)

    output, weights = attend(query, key, value, score=General(weight))

    logits = np.einsum("bnq,qk,bmk->bnm", query.numpy(), weight.numpy(), key.numpy())
    expected = softmax_numpy(logits)
    np.testing.assert_allclose(weights.numpy(), expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(output.numpy(), expected @ value.numpy(), rtol=0, atol=1e-10)


def test_general_with_the_identity_is_dot(draw: Draw) -> None:
    query, key = draw(2, 5, 6), draw(2, 7, 6)

    scores = General(torch.eye(6, dtype=torch.float64))(query, key)

    assert torch.equal(scores, dot(query, key))


def test_weights_of_a_score_may_be_half_precision_like_its_inputs(draw: Draw) -> None:
    query, key, value = draw(2, 5, 6).bfloat16(), draw(2, 7, 4).bfloat16(), draw(2, 7, 8).bfloat16()
    scores = (
        General(draw(6, 4).bfloat16()),
        Additive(draw(3, 6).bfloat16(), draw(3, 4).bfloat16(), draw(3).bfloat16()),
    )

    for score in scores:
        assert attend(query, key, value, score=score)[0].dtype == torch.bfloat16


def test_without_the_scale_softmax_saturates_and_its_gradient_vanishes(draw: Draw) -> None:
    value = draw(64, 1)
    steepness = {}
    for width in (4, 1024):
        query, key = draw(200, width), draw(64, width)
        for score in (dot, scaled_dot):
            logits = score(query, key).requires_grad_()
            output, _ = attend(query, key, value, score=lambda _q, _k, logits=logits: logits)
            (gradient,) = torch.autograd.grad(output.sum(), logits)
            steepness[score, width] = gradient.norm(dim=-1).median()

    assert steepness[dot, 1024] < 0.01 * steepness[dot, 4]
    assert 0.8 < steepness[scaled_dot, 1024] / steepness[scaled_dot, 4] < 1.25


@pytest.mark.parametrize("score", ["general", "additive"])
def test_a_width_that_does_not_fit_the_weights_is_refused(draw: Draw, score: str) -> None:
    scores = {
        "general": General(draw(6, 4)),
        "additive": Additive(draw(3, 6), draw(3, 4), draw(3)),
    }
    with pytest.raises(ControlError, match="width 6 and keys of width 4; got 6 and 5"):
        attend(draw(2, 6), draw(3, 5), draw(3, 2), score=scores[score])
