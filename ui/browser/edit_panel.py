"""The panel that edits a picture into that of another prompt."""

from dataclasses import dataclass

import gradio as gr

from crossattn.pipelines.edit_recipe import EditRecipe
from crossattn.ui.browser.bounds import LONGEST_PROMPT
from crossattn.ui.browser.parts import part
from crossattn.ui.browser.payload import EDIT_FIELDS


@dataclass(frozen=True)
class EditPanel:
    """`plan` shows the alignment; its value is {cross, share, blend, protect}, `submit` runs it."""

    target: gr.Textbox
    plan: gr.HTML


def edit_panel() -> EditPanel:
    """Build the panel."""
    target = gr.Textbox(
        label="Target prompt",
        value="a red car left of a blue balloon on green grass",
        lines=2,
        max_lines=4,
        max_length=LONGEST_PROMPT,
        elem_id="target",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )
    usual = EditRecipe(prompt="a boat").model_dump(mode="json", include=set(EDIT_FIELDS))
    return EditPanel(target, part("edit", label="plan", value=usual))
