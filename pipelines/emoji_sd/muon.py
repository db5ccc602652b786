"""The optimiser of the training: Muon for matrices, AdamW for the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


def _orthogonal(matrices: Tensor) -> Tensor:
    """Push the singular values of (count, rows, columns) matrices towards 1.

    Five Newton-Schulz steps with the coefficients of Jordan et al., "Muon" (2024).
    """
    turned = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if turned else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        gram = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, gram, x, beta=3.4445)
    return x.mT if turned else x


class Muon(torch.optim.Optimizer):
    """Momentum whose updates are made orthogonal, for weights seen as matrices (out, rest).

    Updates are scaled to the size that AdamW's have (Liu et al., "Muon is scalable", 2025), so
    both take the same learning rate. Matrices of one shape are treated in one batch.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Apply one update to every weight that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes[(weight.shape[0], weight[0].numel())].append(weight)
            for (rows, columns), weights in shapes.items():
                moved = self._momentum(weights, group["momentum"])
                stacked = torch.stack([m.reshape(rows, columns) for m in moved])
                update = _orthogonal(stacked.bfloat16()).float()
                scale = 0.2 * max(rows, columns) ** 0.5 * group["lr"]
                changes = [u.view(w.shape) for u, w in zip(update, weights, strict=True)]
                torch._foreach_add_(weights, changes, alpha=-scale)

    def _momentum(self, weights: list[Tensor], beta: float) -> Sequence[Tensor]:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["average"] = torch.zeros_like(weight)
        averages = [self.state[weight]["average"] for weight in weights]
        torch._foreach_lerp_(averages, gradients, 1 - beta)
        return torch._foreach_lerp(gradients, averages, beta)


def optimisers(model: nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the model's matrices and kernels, AdamW for its biases, norms and embeddings."""
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    weights = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in weights if p.ndim >= 2 and id(p) not in tables]
    rest = [p for p in weights if p.ndim < 2 or id(p) in tables]
    fused = all(p.is_cuda for p in rest)
    adam = torch.optim.AdamW(rest, lr, betas=(0.9, 0.99), weight_decay=0.0, fused=fused)
    return [Muon(matrices, lr), adam]
