"""Lays the three folders out as they install, for the reference's static reader to find."""

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDERS = {"crossattn": "crossattn", "pipelines": "crossattn/pipelines", "ui": "crossattn/ui"}


def on_startup(**_: Any) -> None:
    """Copy the sources to build/docs/crossattn, before the reader is told where they lie.

    It takes no notice of a folder that is not there when the configuration is read.
    """
    tree = ROOT / "build" / "docs"
    shutil.rmtree(tree, ignore_errors=True)
    for folder, place in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            copy = tree / place / path.relative_to(ROOT / folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
