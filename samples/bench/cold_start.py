"""How long a fresh process takes to import, to help, and to draw and explain a first picture.

Run `python samples/bench/cold_start.py`. Prints a Markdown table: seconds on the wall, which a busy
machine stretches, and CPU seconds of all threads.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

PROMPT = "a red car left of a blue balloon on grass"
CROSSATTN = str(Path(sys.executable).with_name("crossattn"))
COMMANDS = {
    "`import crossattn`": ([sys.executable, "-c", "import crossattn"], 2),
    # The first is lazy; this is what using it takes.
    "`from crossattn import attach`": ([sys.executable, "-c", "from crossattn import attach"], 2),
    "`crossattn --help`": ([CROSSATTN, "--help"], 1),
    "`crossattn heatmap` on emoji-sd": ([CROSSATTN, "heatmap", PROMPT, "--output", "out"], 15),
}
"""What is run, and the seconds that it should stay under on two cores."""


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a command in an empty folder; raises if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Time each command and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(f"{repeats} repeats: median (least–most). {describe('torch', 'diffusers')}", end="\n\n")
    print("| fresh process | seconds | CPU seconds | goal |")
    print("|---|---|---|---|")
    for name, (command, goal) in COMMANDS.items():
        columns = zip(*(seconds(command) for _ in range(repeats)), strict=True)
        cells = [
            f"{statistics.median(column):.2f} ({min(column):.2f}–{max(column):.2f})"
            for column in columns
        ]
        print(f"| {name} | {cells[0]} | {cells[1]} | < {goal} |", flush=True)


if __name__ == "__main__":
    main()
