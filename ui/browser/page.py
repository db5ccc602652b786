"""The page: its panels, and which button does what."""

from typing import Any

import gradio as gr

from crossattn.coverage import MEANING
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.depth_panel import depth_panel
from crossattn.ui.browser.drawing import Models
from crossattn.ui.browser.edit_panel import edit_panel
from crossattn.ui.browser.events import WAITING, Events
from crossattn.ui.browser.header_panel import header_panel, is_shipped
from crossattn.ui.browser.history_panel import history_panel
from crossattn.ui.browser.make_panel import make_panel
from crossattn.ui.browser.parts import part
from crossattn.ui.browser.queries import Queries
from crossattn.ui.browser.regions_panel import regions_panel
from crossattn.ui.browser.shelf import Shelf
from crossattn.ui.browser.stage_panel import stage_panel
from crossattn.ui.browser.take_panel import take_panel
from crossattn.ui.browser.weights_panel import weights_panel

AT_ONCE = 2 * WAITING
"""Events that Gradio lets in; those that draw then stand in the queue for the model."""

# What the fields hold now, told to the page's parts (see static/fields.js).
_TELL = """(...values) => {
  window.crossattnFields = values;
  document.dispatchEvent(new CustomEvent("fields", {detail: values}));
}"""


def build_page(bounds: Bounds, shelf: Shelf, models: Models) -> gr.Blocks:
    """Build the page."""
    events = Events(bounds, shelf, models)
    first = bounds.choices[0]
    page = gr.Blocks(
        title="crossattn", fill_width=True, analytics_enabled=False, delete_cache=(3600, 86400)
    )
    with page:
        made = gr.State([], delete_callback=events.leave)
        begins = is_shipped(first[1])
        queries = Queries(bounds, shelf, models, events.queue)
        header = header_panel(first, begins, queries.functions())
        with gr.Row(elem_id="bench"):
            with gr.Column(elem_id="make", min_width=0):
                make = make_panel(bounds.choices, own=bounds.own)
            with gr.Column(elem_id="stage-card", min_width=0):
                stage = stage_panel()
            with gr.Column(elem_id="history", min_width=0):
                history = history_panel()
            with gr.Column(elem_id="controls", min_width=0):
                # Gradio's own tabs make a panel when it is first opened, but a picture brings its
                # edit and its regions along whichever panel is open.
                part("tabs", covers=MEANING)
                with _panel("weights"):
                    weights = weights_panel()
                with _panel("edit"):
                    edit = edit_panel()
                with _panel("regions"):
                    regions = regions_panel()
                with _panel("depth"):
                    depth_panel()
                with _panel("take"):
                    take = take_panel()

        fields = [*make.settings, weights.dialect]
        every_field = [*fields, edit.target]
        shown = [header, stage, make.seed, made]
        draws: dict[str, Any] = {
            "concurrency_id": "draw",
            "concurrency_limit": AT_ONCE,
            "show_progress": "hidden",
            # Gradio's own "once" would drop a run that is asked for while a cancelled one ends.
            "trigger_mode": "multiple",
        }
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
        same_seed = gr.State(True)
        held = [regions.brush, weights.excite]
        drawn = [*fields, make.lock, *held, made]
        again = [*fields, same_seed, *held, made]
        edited = [*every_field, edit.plan, *held, made]
        back = [*every_field, *shown]
        runs: list[Any] = [
            make.go.submit(events.generate, drawn, shown, api_name="generate", **draws),
            weights.rows.submit(events.generate, again, shown, api_name="draw_again", **draws),
            edit.plan.submit(events.edit, edited, shown, api_name="edit", **draws),
            history.select(events.open, [history, made], back, api_name="open", **draws),
            take.drop.upload(
                events.open_picture, [take.drop, made], back, api_name="open_picture", **draws
            ),
        ]
        choice, suits = events.choice, [make.size, make.steps, make.guidance]
        named, brought = [make.own, make.model], [header, make.model, *suits, make.own]
        runs.append(make.own.submit(choice.bring, named, brought, api_name="bring_model", **draws))
        row = [*fields, weights.sweep, *held, made]
        runs.append(
            weights.sweep.submit(
                events.sweep, row, [header, weights.sweep, made], api_name="sweep", **draws
            )
        )
        # The place to drop is free again at once, whatever comes of the file.
        take.drop.upload(lambda: None, None, take.drop, api_name="free_drop", **quiet)
        make.stop.click(None, cancels=runs)
        page.load(choice.listed, None, make.model, api_name="models", **quiet)
        make.model.change(choice.rest, make.model, header, api_name="choose_model", **quiet)
        make.model.input(choice.suit, make.model, suits, api_name="suit_model", **quiet)
        gr.on(
            [page.load, *(one.change for one in every_field)],
            None,
            every_field,
            js=_TELL,
            **quiet,
        )
    return page


def _panel(name: str) -> gr.Column:
    return gr.Column(elem_id=f"panel-{name}", elem_classes="side", min_width=0)
