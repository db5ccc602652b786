"""The panel that a picture starts from: prompt, settings, Generate."""

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from crossattn.ui.browser.bounds import LONGEST_PROMPT, MOST_GUIDANCE, MOST_STEPS
from crossattn.ui.browser.model_settings import settings_of
from crossattn.ui.browser.parts import part

SCHEDULERS = {
    "By the model": "",
    "DDIM": "ddim",
    "DPM++ 2M": "dpm++",
    "Euler": "euler",
    "Euler ancestral": "euler-a",
    "Heun": "heun",
    "LCM": "lcm",
}


@dataclass(frozen=True)
class MakePanel:
    """The fields of a recipe as a person fills them in, and the buttons.

    `go` triggers `submit` to draw, `own` to load the model that is its value; `stop` is pressed by
    the page to cancel.
    """

    prompt: gr.Textbox
    negative: gr.Textbox
    go: gr.HTML
    stop: gr.Button
    model: gr.Dropdown
    own: gr.HTML
    seed: gr.Textbox
    lock: gr.HTML
    steps: gr.Slider
    guidance: gr.Slider
    size: gr.Dropdown
    scheduler: gr.Dropdown

    @property
    def settings(self) -> list[gr.components.Component]:
        """What stands in a recipe, in the order of `fields.fields_of`."""
        return [
            self.prompt,
            self.negative,
            self.model,
            self.seed,
            self.steps,
            self.guidance,
            self.size,
            self.scheduler,
        ]


def make_panel(models: Sequence[tuple[str, str]], *, own: bool) -> MakePanel:
    """Build the panel; `models` are (name shown, name in recipes), the first one chosen.

    With `own` others may be brought.
    """
    usual = settings_of(models[0][1])
    prompt = gr.Textbox(
        label="Prompt",
        value="a red car left of a blue balloon on green grass",
        lines=3,
        max_lines=6,
        max_length=LONGEST_PROMPT,
        elem_id="prompt",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )
    part("hints")
    negative = gr.Textbox(
        label="Negative prompt",
        placeholder="nothing to keep out",
        lines=1,
        max_lines=3,
        max_length=LONGEST_PROMPT,
        elem_id="negative",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )
    go = part("go")
    stop = gr.Button("Cancel", elem_id="stop")
    with gr.Accordion("Settings", open=True, elem_id="settings"):
        model = gr.Dropdown(
            choices=list(models), value=models[0][1], label="Model", elem_id="model"
        )
        brought = part("model", label="own_model", value={"model": ""}, allowed=own)
        with gr.Row(elem_id="seed-row"):
            seed = gr.Textbox(label="Seed", value="7", max_lines=1, elem_id="seed", min_width=80)
            lock = part("seed", label="keep_seed", value=True)
        with gr.Row(elem_id="steps-row"):
            steps = gr.Slider(
                1, MOST_STEPS, value=usual.steps, step=1, label="Steps", elem_id="steps"
            )
            guidance = gr.Slider(
                0,
                MOST_GUIDANCE,
                value=usual.guidance,
                step=0.5,
                label="Guidance",
                elem_id="guidance",
            )
        with gr.Row(elem_id="size-row"):
            size = gr.Dropdown(
                choices=usual.sizes,
                value=usual.sizes[0],
                label="Size",
                allow_custom_value=True,
                min_width=80,
                elem_id="size",
            )
            scheduler = gr.Dropdown(
                choices=list(SCHEDULERS.items()), value="", label="Scheduler", min_width=80
            )
    return MakePanel(
        prompt, negative, go, stop, model, brought, seed, lock, steps, guidance, size, scheduler
    )
