"""The panel of weights: what a weight means, a slider for each word, what the weights did."""

from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.parts import part


@dataclass(frozen=True)
class WeightsPanel:
    """`rows` triggers `submit` to draw again with the same seed."""

    rows: gr.HTML


def weights_panel() -> WeightsPanel:
    """Build the panel."""
    return WeightsPanel(part("weights"))
