"""A table of swaps: pictures down, words across, each edited from the same source.

python samples/batch_swaps.py [folder]
"""

import sys
from pathlib import Path

from crossattn.pipelines.batch import run_batch

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "out/swaps")
SOURCE = "a red car on grass"
OBJECTS = ["house", "boat", "rocket", "balloon"]

PLAN = [
    {
        "prompt": SOURCE,
        "edit": {"prompt": SOURCE.replace("car", name), "blend": []},
        "axes": {"swapped for": name},
        "seeds": "0..3",
    }
    for name in OBJECTS
]
PLAN.append({"prompt": SOURCE, "axes": {"swapped for": "nothing"}, "seeds": "0..3"})

if __name__ == "__main__":
    for result in run_batch(PLAN, output=FOLDER, workers=2):
        edit = result.record.get("edit")
        told = f"{edit['changed']:.0%} of the pixels changed" if edit else "the source"
        print(f"{result.item.axes}  {result.error or told}")
    print(f"Look at {FOLDER / 'index.html'}.")
