"""The strip of what was made in this session, and the place to drop a picture."""

from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.parts import part


@dataclass(frozen=True)
class HistoryPanel:
    """`strip` triggers `select`, its value the id that was chosen; `drop` takes a PNG."""

    strip: gr.HTML
    drop: gr.File


def history_panel() -> HistoryPanel:
    """Build the panel."""
    strip = part("history", value="", cards=[])
    drop = gr.File(
        label="Drop a PNG made here",
        file_types=[".png"],
        type="filepath",
        elem_id="drop",
        show_label=False,
    )
    return HistoryPanel(strip, drop)
