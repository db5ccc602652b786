"""Sparse cross-attention: every pixel listens to its few strongest tokens."""

import torch

from crossattn.attention import Attention
from crossattn.controls.support.edit import Edit, OnNothing
from crossattn.controls.support.window import ALWAYS, Window
from crossattn.errors import ControlError
from crossattn.step import LayerCall


class TopK(Edit):
    """Keep the `count` strongest tokens of each pixel and head, and share the rest out to them.

    On conditional rows, in `window`; the probabilities sum to what they did. With as many as there
    are tokens nothing changes. Raises `ControlError` for fewer than 1.
    """

    def __init__(
        self, count: int, *, window: Window = ALWAYS, on_nothing: OnNothing = "raise"
    ) -> None:
        super().__init__(on_nothing)
        if count < 1:
            raise ControlError(f"TopK({count}): expected 1 token or more.")
        self.count = count
        self.window = window

    def attend(self, call: LayerCall, attention: Attention) -> None:
        """Drop all but the strongest tokens."""
        if self.count >= call.tokens:
            return
        for _, row, _ in call.step.rows.conditional():
            probs = attention.probabilities(row)
            strongest = probs.topk(self.count, dim=-1)
            sparse = torch.zeros_like(probs).scatter(-1, strongest.indices, strongest.values)
            sparse = sparse / sparse.sum(-1, keepdim=True)
            attention.edit(row, sparse * probs.sum(-1, keepdim=True) if attention.joint else sparse)
            self.touch(call)

    def reason(self) -> str:
        """As many as there are, or no step in the window."""
        return "it keeps as many tokens as there are, or no step lay in its window; keep fewer."
