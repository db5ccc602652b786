"""The page's own parts: each is static/<name>.html, brought to life by static/<name>.js."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).with_name("static")
ROUTE = "/crossattn"

_LOAD = """
import(new URL("{file}", document.baseURI)).then(
  (part) => {{
    part.mount(element, {{trigger, props, server, watch}});
    element.dataset.alive = "";
  }});
"""


def part(
    name: str,
    *,
    value: Any = None,
    functions: Sequence[Callable[..., Any]] = (),
    **props: Any,
) -> gr.HTML:
    """Make the part called `name`.

    `functions` are what its module may call directly; `props` go to it beside the value.
    """
    script = _LOAD.format(file=f"{ROUTE[1:]}/{name}.js")
    return gr.HTML(
        value,
        html_template=(STATIC / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=script,
        apply_default_css=False,
        server_functions=list(functions) or None,
        elem_id=f"part-{name}",
        elem_classes="part",
        **props,
    )


def head() -> str:
    """The page's head: its style sheets, its modules fetched early, and the chosen theme."""
    sheets = sorted(path.name for path in STATIC.glob("*.css"))
    modules = sorted(path.name for path in STATIC.glob("*.js"))
    links = [f'<link rel="stylesheet" href="{ROUTE[1:]}/{name}">' for name in sheets]
    links += [f'<link rel="modulepreload" href="{ROUTE[1:]}/{name}">' for name in modules]
    return "\n".join(links)
