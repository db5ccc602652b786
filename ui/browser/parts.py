"""The page's own parts: each is static/<name>.html, brought to life by static/<name>.js."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).with_name("static")
ROUTE = "/crossattn"

_OBJECT = {"type": "object", "additionalProperties": True}
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
    label: str | None = None,
    value: Any = None,
    functions: Sequence[Callable[..., Any]] = (),
    **props: Any,
) -> gr.HTML:
    """Make the part called `name`, which programs know by its `label`.

    `functions` are what its module may call directly; `props` go to it beside the value.
    """
    script = _LOAD.format(file=f"{ROUTE[1:]}/{name}.js")
    made = gr.HTML(
        value,
        label=label or name,
        html_template=(STATIC / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load=script,
        apply_default_css=False,
        server_functions=list(functions) or None,
        elem_id=f"part-{name}",
        elem_classes="part",
        **props,
    )
    # Programs see its value as what it is, an object, under its label.
    made.api_info = lambda: dict(_OBJECT)
    return made


def head() -> str:
    """The page's head: its style sheets, its modules fetched early, and the chosen theme."""
    sheets = sorted(path.name for path in STATIC.glob("*.css"))
    modules = sorted(path.name for path in STATIC.glob("*.js"))
    links = [f'<link rel="stylesheet" href="{ROUTE[1:]}/{name}">' for name in sheets]
    links += [f'<link rel="modulepreload" href="{ROUTE[1:]}/{name}">' for name in modules]
    links.append(f'<link rel="icon" href="{ROUTE[1:]}/mark.svg">')
    return "\n".join([_THEME, *links])


# Before anything is painted: the theme that was chosen, or the system's.
_THEME = """<script>
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("crossattn-theme"); } catch {}
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
})();
</script>"""
