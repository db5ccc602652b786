"""The panel in which words are given places: a mask is brushed on the picture for each."""

from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.parts import part


@dataclass(frozen=True)
class RegionsPanel:
    """`brush` shows the regions; its value is {regions: [{word, mask}], hold, window}."""

    brush: gr.HTML


def regions_panel() -> RegionsPanel:
    """Build the panel."""
    free = {"regions": [], "hold": 1.0, "window": [0.0, 0.6]}
    return RegionsPanel(part("regions", label="held", value=free))
