"""A CSV made in a spreadsheet: one row a picture, an empty cell leaves a choice to the model.

python samples/batch_from_spreadsheet.py [folder]

The same from a terminal:  crossattn batch samples/batch_spreadsheet.csv -o out/spreadsheet
"""

import sys
from pathlib import Path

from crossattn.pipelines.batch import read_plan, run_batch

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "out/spreadsheet")
TABLE = Path(__file__).with_name("batch_spreadsheet.csv")

if __name__ == "__main__":
    plan = read_plan(TABLE, {"steps": 25})
    print(f"{len(plan)} pictures")
    for result in run_batch(plan, output=FOLDER, workers=2):
        print(f"{result.item.where}: {result.error or result.id}")
    print(f"Look at {FOLDER / 'index.html'}.")
