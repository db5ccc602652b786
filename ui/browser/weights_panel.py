"""The panel of weights: what a weight means, a slider for each word, what the weights did."""

from dataclasses import dataclass

import gradio as gr

from crossattn.pipelines.recipe import Recipe
from crossattn.ui.browser.parts import part

MEANINGS = {
    "attention": "Attention × weight, after the softmax. More weight, more share.",
    "attention-normalised": "The same, but the other words make up for it.",
    "a1111": "Embedding × weight, then the old mean is restored.",
    "comfy": "The embedding moves away from that of the empty prompt.",
    "compel": "As comfy upwards; downwards towards the prompt without the word.",
}


@dataclass(frozen=True)
class WeightsPanel:
    """`rows` triggers `submit` to draw again with the same seed."""

    dialect: gr.Dropdown
    rows: gr.HTML


def weights_panel() -> WeightsPanel:
    """Build the panel."""
    usual = str(Recipe.model_fields["dialect"].default)
    dialect = gr.Dropdown(
        choices=list(MEANINGS), value=usual, label="A weight means", elem_id="dialect"
    )
    rows = part("weights", meaning=MEANINGS[usual])
    dialect.change(
        _explain, dialect, rows, queue=False, show_progress="hidden", api_name="explain_dialect"
    )
    return WeightsPanel(dialect, rows)


def _explain(dialect: str) -> gr.HTML:
    return gr.HTML(meaning=MEANINGS.get(dialect, ""))
