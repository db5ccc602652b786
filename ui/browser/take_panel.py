"""What a person takes away: files, and the code that makes the same picture."""

import gradio as gr

from crossattn.ui.browser.parts import part


def take_panel() -> gr.HTML:
    """Build the panel; it shows the picture that is on the stage."""
    return part("take")
