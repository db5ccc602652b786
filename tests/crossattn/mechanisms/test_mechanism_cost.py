"""The cost each docstring claims, counted rather than timed: products, and the largest tensor."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from crossattn.mechanisms import attend, linear, strided, window

Draw = Callable[..., Tensor]
LENGTHS = (64, 256, 1024)


class Largest(TorchDispatchMode):
    """Remember the number of elements of the largest tensor stored."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.elements = max(self.elements, leaf.untyped_storage().nbytes() // leaf.itemsize)
        return result


MECHANISMS: dict[str, tuple[Callable[[Tensor], Any], float]] = {
    "full": (lambda x: attend(x, x, x), 2.0),
    "strided by √n": (lambda x: attend(x, x, x, mask=strided(n := len(x), n, math.isqrt(n))), 1.5),
    "window": (lambda x: attend(x, x, x, mask=window(len(x), len(x), 4)), 1.0),
    "linear": (lambda x: linear(x, x, x), 1.0),
}


@pytest.mark.parametrize("name", MECHANISMS)
def test_products_and_memory_grow_with_the_length_as_claimed(draw: Draw, name: str) -> None:
    run, exponent = MECHANISMS[name]
    products, memory = [], []

    for length in LENGTHS:
        sequence = draw(length, 8)
        with FlopCounterMode(display=False) as flops, Largest() as largest:
            run(sequence)
        products.append(flops.get_total_flops())
        memory.append(largest.elements)

    for counts in (products, memory):
        growth = math.log(counts[-1] / counts[0]) / math.log(LENGTHS[-1] / LENGTHS[0])
        assert growth == pytest.approx(exponent, abs=0.05)
