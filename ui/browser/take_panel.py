"""What a person takes away: files, and the code that makes the same picture; and brings back."""

from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.parts import part


@dataclass(frozen=True)
class TakePanel:
    """`drop` takes a PNG that was made here."""

    drop: gr.File


def take_panel() -> TakePanel:
    """Build the panel; it shows the picture that is on the stage."""
    part("take")
    drop = gr.File(
        label="Open a PNG made here",
        file_types=[".png"],
        type="filepath",
        elem_id="drop",
        show_label=False,
    )
    return TakePanel(drop)
