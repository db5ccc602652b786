"""Writes the page "Measured" from what the benchmarks printed; no figure of it is typed.

`make bench` keeps what each script prints in docs/measured/cpu/, or on a machine with a GPU in
docs/measured/gpu/, one file each; `earlier.md` has figures of the first edition. A benchmark
prints Markdown: its settings, the machine with its load and versions, and a table with the spread.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = {
    "recording": ("Recording: what it costs", "Against the plain pipeline and the peers."),
    "launches": (
        "Launches and Python",
        "What is asked of a device, counted, and what that costs where arithmetic is cheap.",
    ),
    "editing": ("Cost of editing", "Against diffusers' community prompt-to-prompt pipeline."),
    "editing_truth": (
        "Truth of editing",
        "Whether edits of drawn pictures do what they say ([the first pairs]"
        "(pictures/editing-truth.jpg)).",
    ),
    "truth": ("Truth of the maps", "How well the maps of nouns find their objects."),
    "weights_truth": ("Truth of weights", "Which dialect's weights do what people expect."),
    "prompts_truth": ("Truth of notations", "Whether marks in a prompt do what they say."),
    "pictures_truth": ("Truth of photographs", "Whether pictures that exist are kept and edited."),
    "pictures_cost": ("Photographs: what they cost", "Each method beside a plain drawing."),
    "page": ("The page", "How quick and calm it is, and the memory that it takes."),
    "batch": ("Batches", "What a batch costs beside its pictures, up to 10,000 rows."),
    "cold_start": ("From cold", "How long a fresh process takes to a first picture."),
}
"""The CPU's pages in order: title, and what the script of that name in samples/bench/ tells."""
LATER = {
    "gpu": ("Recording and editing", "On the clock, beside DAAM and attention_map_diffusers."),
    "earlier": ("To be run again", ""),
}
"""Pages of the GPU, and figures of the first edition."""
MISSING = "Not measured on this edition (`samples/bench/{name}.py`)."
HEAD = """# Measured

This page is written by `docs/make_measured.py` from what the scripts in `samples/bench/` printed;
`make bench` runs them and keeps their output.
"""


def page() -> str:
    """The page: the CPU's results, then the GPU's; what was not measured says so."""
    parts = [HEAD]
    for folder, heading, always in (
        ("cpu", "On a CPU", [*BENCHMARKS]),
        ("gpu", "On a GPU", ["gpu"]),
    ):
        stored = sorted(file.stem for file in (HERE / "measured" / folder).glob("*.md"))
        parts.append(f"## {heading}\n")
        names = [*always, *(name for name in stored if name not in always)]
        parts += [_section(folder, name) for name in names]
    return "\n".join(parts)


def _section(folder: str, name: str) -> str:
    title, what = (BENCHMARKS | LATER).get(name, (name.replace("_", " ").capitalize(), ""))
    file = HERE / "measured" / folder / f"{name}.md"
    text = [f"### {title}", what] if what else [f"### {title}"]
    if not file.is_file():
        text.append(MISSING.format(name=name))
    else:
        if what:
            text.append(f"`samples/bench/{name}.py` printed:")
        text.append(file.read_text(encoding="utf-8").strip())
    return "\n\n".join(text) + "\n"


if __name__ == "__main__":
    written = page()
    if "--check" in sys.argv:
        sys.exit(written != (HERE / "measured.md").read_text(encoding="utf-8"))
    (HERE / "measured.md").write_text(written, encoding="utf-8")
