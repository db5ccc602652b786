"""The stage: the picture, what its words attend to, and the words themselves."""

import gradio as gr

from crossattn.ui.browser.parts import part


def stage_panel() -> gr.HTML:
    """Build the stage; its value is what `payload.describe` gives."""
    return part("stage", label="picture")
