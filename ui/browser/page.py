"""The page: its panels, and which button does what."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from crossattn.ui.browser.depth_panel import depth_panel
from crossattn.ui.browser.desk import Desk
from crossattn.ui.browser.drawing import Models
from crossattn.ui.browser.edit_panel import edit_panel
from crossattn.ui.browser.header_panel import header_panel
from crossattn.ui.browser.history_panel import history_panel
from crossattn.ui.browser.make_panel import make_panel
from crossattn.ui.browser.parts import part
from crossattn.ui.browser.regions_panel import regions_panel
from crossattn.ui.browser.shelf import Shelf
from crossattn.ui.browser.stage_panel import stage_panel
from crossattn.ui.browser.studio import WAITING, Studio
from crossattn.ui.browser.take_panel import take_panel
from crossattn.ui.browser.weights_panel import weights_panel

AT_ONCE = 2 * WAITING
"""Events that Gradio lets in; those that draw then stand in the studio's line."""


def build_page(offered: Mapping[str, str], shelf: Shelf, models: Models) -> gr.Blocks:
    """Build the page; `offered` maps names in recipes to names shown, the first one chosen."""
    studio = Studio(offered, shelf, models)
    first = next((name, key) for key, name in offered.items())
    page = gr.Blocks(
        title="crossattn", fill_width=True, analytics_enabled=False, delete_cache=(3600, 86400)
    )
    with page:
        made = gr.State([], delete_callback=studio.leave)
        header = header_panel(first, Desk(shelf, models, offered).functions())
        with gr.Row(elem_id="bench"):
            with gr.Column(elem_id="make", min_width=0):
                make = make_panel([(shown, name) for name, shown in offered.items()])
            with gr.Column(elem_id="stage-card", min_width=0):
                stage = stage_panel()
            with gr.Column(elem_id="controls", min_width=0):
                # Gradio's own tabs make a panel when it is first opened, but a picture brings its
                # edit and its regions along whichever panel is open.
                part("tabs")
                with _panel("weights"):
                    weights = weights_panel()
                with _panel("edit"):
                    edit = edit_panel()
                with _panel("regions"):
                    regions = regions_panel()
                with _panel("depth"):
                    depth_panel()
        with gr.Column(elem_id="history", elem_classes="band"):
            _heading("History", "This session. Click to bring everything back.")
            with gr.Row(elem_id="history-row"):
                history = history_panel()
        with gr.Column(elem_id="take-away", elem_classes="band"):
            _heading("Take away", "The same picture, byte for byte, from any of these.")
            take_panel()

        fields = [*make.settings, weights.dialect]
        every_field = [*fields, edit.target]
        shown = [header, stage, history.strip, make.seed, made]
        draws: dict[str, Any] = {
            "concurrency_id": "draw",
            "concurrency_limit": AT_ONCE,
            "show_progress": "hidden",
            # Gradio's own "once" would drop a run that is asked for while a cancelled one ends.
            "trigger_mode": "multiple",
        }
        same_seed = gr.State(True)
        held = regions.brush
        runs: list[Any] = [
            make.go.click(
                studio.generate,
                [*fields, make.lock, held, made],
                shown,
                api_name="generate",
                **draws,
            ),
            weights.rows.submit(
                studio.generate,
                [*fields, same_seed, held, made],
                shown,
                api_name="draw_again",
                **draws,
            ),
            edit.plan.submit(
                studio.edit, [*every_field, edit.plan, held, made], shown, api_name="edit", **draws
            ),
            history.drop.upload(
                studio.open_picture,
                [history.drop, made],
                [*every_field, *shown],
                api_name="open_picture",
                **draws,
            ),
        ]
        # The place to drop is free again at once, whatever comes of the file.
        history.drop.upload(
            lambda: None,
            None,
            history.drop,
            queue=False,
            show_progress="hidden",
            api_name="free_drop",
        )
        history.strip.select(
            studio.restore,
            [history.strip, made],
            [*every_field, *shown],
            queue=False,
            show_progress="hidden",
            api_name="restore",
        )
        make.stop.click(None, cancels=runs)
        make.model.change(
            studio.rest,
            make.model,
            header,
            queue=False,
            show_progress="hidden",
            api_name="choose_model",
        )
    return page


def _panel(name: str) -> gr.Column:
    return gr.Column(elem_id=f"panel-{name}", elem_classes="side", min_width=0)


def _heading(title: str, hint: str) -> None:
    text = f'<h2>{title}</h2><span class="hint">{hint}</span>'
    gr.HTML(f'<div class="band-head">{text}</div>', apply_default_css=False, elem_classes="part")
