"""The top of the page, through which its parts also reach the server."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from crossattn.pipelines import emoji_sd
from crossattn.pipelines.load import EMBEDDED
from crossattn.ui.browser.parts import part

LARGEST_UPLOAD = 20 * 2**20
"""Bytes that a dropped picture may have."""


def header_panel(
    model: tuple[str, str], begins: bool, functions: Sequence[Callable[..., Any]]
) -> gr.HTML:
    """Build the header; its value is `status(...)`, `model` is (name shown, name in recipes).

    With `begins` the page opens with the picture that ships (static/first.json).
    """
    return part(
        "header",
        label="progress",
        value=status(model),
        functions=functions,
        begins=begins,
        largest=LARGEST_UPLOAD,
    )


def is_shipped(model: str) -> bool:
    """Whether a model is the one that ships, of which the page's first picture is."""
    return model == EMBEDDED and emoji_sd.model_path() == Path(emoji_sd.__file__).parent / "model"


def status(model: tuple[str, str], busy: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the header shows: the model in use, and the step of the run, if there is one."""
    return {"name": model[0], "model": model[1], "busy": busy}
