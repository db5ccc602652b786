"""Draws the gallery's pictures again: runs the code of gallery.md, in docs/."""

import os
import re
from pathlib import Path

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

if __name__ == "__main__":
    os.chdir(HERE)
    names: dict[str, object] = {}
    for text in BLOCK.findall((HERE / "gallery.md").read_text(encoding="utf-8")):
        exec(compile(text, "gallery.md", "exec"), names)
