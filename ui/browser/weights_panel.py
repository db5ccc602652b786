"""The panel of weights: what a weight means, a slider for each word, what the weights did."""

from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.parts import part

MEANINGS = {
    "": "Recommended: more of the word upwards, less downwards.",
    "compel": "More of the word upwards, the picture without it downwards.",
    "difference": "The whole text moves away from that without the word.",
    "comfy": "As ComfyUI: its text moves away from that of the empty prompt.",
    "a1111": "As Stable Diffusion WebUI: its text × weight. Gentle.",
    "attention": "Its attention × weight, and nothing else. Strong above 1.",
    "attention-normalised": "Its attention × weight, taken from the other words.",
}


@dataclass(frozen=True)
class WeightsPanel:
    """`rows` triggers `submit` to draw again with the same seed.

    `excite` holds the words that must be there, {words: as in a recipe}.
    `sweep` triggers it to draw a row of pictures, its value what `sweeps.swept` is asked for.
    """

    dialect: gr.Dropdown
    rows: gr.HTML
    excite: gr.HTML
    sweep: gr.HTML


def weights_panel() -> WeightsPanel:
    """Build the panel."""
    choices = [(name or "what suits the model", name) for name in MEANINGS]
    dialect = gr.Dropdown(choices=choices, value="", label="A weight means", elem_id="dialect")
    rows = part("weights", meaning=MEANINGS[""])
    excite = part("excite", value={"words": None})
    sweep = part("sweep", label="row", value={})
    dialect.change(
        _explain, dialect, rows, queue=False, show_progress="hidden", api_name="explain_dialect"
    )
    return WeightsPanel(dialect, rows, excite, sweep)


def _explain(dialect: str) -> gr.HTML:
    return gr.HTML(meaning=MEANINGS.get(dialect, ""))
