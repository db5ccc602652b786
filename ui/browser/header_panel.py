"""The top of the page, through which its parts also reach the server."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from crossattn.ui.browser.parts import part

LARGEST_UPLOAD = 20 * 2**20
"""Bytes that a dropped picture may have."""


def header_panel(model: tuple[str, str], functions: Sequence[Callable[..., Any]]) -> gr.HTML:
    """Build the header; its value is `status(...)`, `model` is (name shown, name in recipes)."""
    return part(
        "header",
        label="progress",
        value=status(model),
        functions=functions,
        largest=LARGEST_UPLOAD,
    )


def status(model: tuple[str, str], busy: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the header shows: the model in use, and the step of the run, if there is one."""
    return {"name": model[0], "model": model[1], "busy": busy}
