"""Turn one word up and down, for four seeds: a page with a row for each weight.

python samples/batch_emphasis_sweep.py [folder]
"""

import sys
from pathlib import Path

from crossattn.pipelines.batch import run_batch

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "out/emphasis-sweep")

PLAN = [
    {
        "prompt": "a small cat in heavy snow",
        "weights": {"heavy": [0.0, 0.5, 1, 2, 3]},
        "seeds": "0..3",
    }
]

if __name__ == "__main__":
    for result in run_batch(PLAN, output=FOLDER, workers=2):
        print(f"{result.item.axes}  snow covers {result.cover.get('snow', 0):.1%}")
    print(f"Look at {FOLDER / 'index.html'}.")
