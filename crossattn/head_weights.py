"""How much each head has in what a layer gives, for maps whose heads are not kept."""

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def head_weights(output: Tensor, project: Callable[[Tensor], Tensor]) -> Tensor:
    """The weight of each head: (rows, heads), 1 over all heads together.

    `output` (rows, heads, pixels, width) is what the heads make of a call, and `project` the
    layer's own projection of all of them, (rows, pixels, heads × width) to channels. A head weighs
    as much as what it gives agrees with what all give, max(0, ⟨O_h W_h, Σ O W⟩); all alike where
    none does, over all pixels at once. After GoCA (2026); samples/bench/truth.py measures it.
    """
    nothing = project(output.new_zeros(1, 1, output.shape[1] * output.shape[3]))
    whole = project(output.transpose(1, 2).flatten(2)) - nothing
    agreeing = []
    for head in range(output.shape[1]):
        alone = torch.zeros_like(output)
        alone[:, head] = output[:, head]
        said = project(alone.transpose(1, 2).flatten(2)) - nothing
        agreeing.append((said.float() * whole.float()).sum((1, 2)).clamp(min=0))
    agreed = torch.stack(agreeing, 1)
    total = agreed.sum(1, keepdim=True)
    return torch.where(total > 0, agreed / total.clamp(min=1e-30), 1 / len(agreeing))
