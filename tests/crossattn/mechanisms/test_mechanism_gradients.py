"""Every mechanism's gradient against finite differences, empty rows included."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crossattn.mechanisms import (
    Additive,
    General,
    Kernel,
    attend,
    causal,
    dot,
    fused,
    grouped_query,
    linear,
    multi_head,
    pool_heads,
    rotary,
    strided,
    top_k,
    window,
)

Draw = Callable[..., Tensor]
Mechanism = Callable[[Tensor, Tensor, Tensor], Tensor | tuple[Tensor, Tensor]]

NONE_LEFT = causal(4, 5).index_fill(0, torch.tensor([1]), False)
MECHANISMS: dict[str, Mechanism] = {
    "scaled dot": attend,
    "dot": lambda q, k, v: attend(q, k, v, dot),
    "causal with an empty row": lambda q, k, v: attend(q, k, v, mask=NONE_LEFT),
    "window": lambda q, k, v: attend(q, k, v, mask=window(4, 5, 1)),
    "window with empty rows": lambda q, k, v: attend(
        q, k[..., :2, :], v[..., :2, :], mask=window(4, 2, 1)
    ),
    "strided": lambda q, k, v: attend(q, k, v, mask=strided(4, 5, 2)),
    "top-k": lambda q, k, v: attend(q, k, v, mask=top_k(q, k, 2)),
    "kernel": lambda q, k, v: attend(q, k, v, Kernel()),
    "relu kernel": lambda q, k, v: attend(q, k, v, Kernel(torch.relu)),
    "linear": linear,
    "relu linear": lambda q, k, v: linear(q, k, v, torch.relu),
    "masked linear": lambda q, k, v: linear(q, k, v, mask=torch.arange(5) < 3),
    "fused": fused,
    "multi-head": lambda q, k, v: multi_head(q[0], k[0], v[0], heads=2),
    "grouped-query": lambda q, k, v: grouped_query(q, pool_heads(k, 1), pool_heads(v, 1)),
    "rotary": lambda q, k, v: attend(rotary(q, torch.arange(4)), rotary(k, torch.arange(5)), v),
}


@pytest.mark.parametrize("name", MECHANISMS)
def test_the_gradient_is_exact(draw: Draw, name: str) -> None:
    inputs = [x.requires_grad_() for x in (draw(1, 2, 4, 4), draw(1, 2, 5, 4), draw(1, 2, 5, 4))]

    assert torch.autograd.gradcheck(MECHANISMS[name], inputs)


def test_the_gradient_of_a_score_reaches_its_weights(draw: Draw) -> None:
    query, key, value = draw(2, 4, 3), draw(2, 5, 4), draw(2, 5, 2)

    def general(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
        return attend(query, key, value, General(weight))[0]

    def additive(query: Tensor, key: Tensor, *weights: Tensor) -> Tensor:
        return attend(query, key, value, Additive(*weights))[0]

    tensors = [x.requires_grad_() for x in (query, key, draw(3, 4))]
    assert torch.autograd.gradcheck(general, tensors)
    tensors = [x.requires_grad_() for x in (query, key, draw(3, 3), draw(3, 4), draw(3))]
    assert torch.autograd.gradcheck(additive, tensors)
