"""The strip of what was made: the browser remembers its recipes, the server the last pictures."""

import gradio as gr

from crossattn.ui.browser.parts import part


def history_panel() -> gr.HTML:
    """Build the strip; it triggers `select` with {recipe: JSON, id} as its value to bring it back.

    `id` is that of a picture which the server may still have; without it the recipe is drawn.
    """
    return part("history", label="asked", value={})
