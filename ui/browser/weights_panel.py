"""The panel of weights: what a weight means, a slider for each word, what the weights did."""

from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.parts import part

DIALECTS = ("attention", "attention-normalised", "a1111", "comfy", "compel")


@dataclass(frozen=True)
class WeightsPanel:
    """`rows` triggers `submit` to draw again with the same seed."""

    dialect: gr.Dropdown
    rows: gr.HTML


def weights_panel() -> WeightsPanel:
    """Build the panel."""
    dialect = gr.Dropdown(
        choices=list(DIALECTS), value=DIALECTS[0], label="A weight means", elem_id="dialect"
    )
    return WeightsPanel(dialect, part("weights"))
