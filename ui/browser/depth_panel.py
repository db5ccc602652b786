"""The panel of time and depth: steps, layers, resolutions, heads."""

import gradio as gr

from crossattn.ui.browser.parts import part


def depth_panel() -> gr.HTML:
    """Build the panel; it looks into the picture that is on the stage."""
    return part("depth")
