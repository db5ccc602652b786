"""Writes the page "Measured" from what the benchmarks printed; no figure of it is typed.

`make bench` keeps what each script prints in docs/measured/cpu/, or on a machine with a GPU in
docs/measured/gpu/, one file each; `earlier.md` is what stood in the README before. A benchmark
prints Markdown: its settings, the machine with its load and versions, and a table with the spread.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
TITLES = {
    "recording": ("Recording: what it costs", "recording.py"),
    "truth": ("Truth of the maps", "truth.py"),
    "editing": ("Cost of editing", "editing.py"),
    "editing_truth": ("Truth of editing", "editing_truth.py"),
    "weights_truth": ("Which dialect's weights do what people expect", "weights_truth.py"),
    "prompts_truth": ("Truth of the prompts' notations", "prompts_truth.py"),
    "cold_start": ("From cold", "cold_start.py"),
    "page": ("The page", "page.py"),
    "batch": ("Batches", "batch.py"),
    "earlier": ("To be run again", ""),
}
HEAD = """# Measured

This page is written by `docs/make_measured.py` from what the scripts in `samples/bench/` printed;
`make bench` runs them and keeps their output.
"""


def page() -> str:
    """The page: the CPU's results, then the GPU's."""
    parts = [HEAD]
    for folder, heading in (("cpu", "On a CPU"), ("gpu", "On a GPU")):
        files = sorted((HERE / "measured" / folder).glob("*.md"), key=_place)
        parts.append(f"## {heading}\n")
        parts += [_section(file) for file in files] or ["Nothing is stored yet.\n"]
    return "\n".join(parts)


def _place(file: Path) -> tuple[int, str]:
    known = [*TITLES]
    return (known.index(file.stem) if file.stem in known else -1, file.stem)


def _section(file: Path) -> str:
    title, script = TITLES.get(file.stem, (file.stem.replace("_", " ").capitalize(), ""))
    by = f"`samples/bench/{script}` printed:\n\n" if script else ""
    return f"### {title}\n\n{by}{file.read_text(encoding='utf-8').strip()}\n"


if __name__ == "__main__":
    written = page()
    if "--check" in sys.argv:
        sys.exit(written != (HERE / "measured.md").read_text(encoding="utf-8"))
    (HERE / "measured.md").write_text(written, encoding="utf-8")
