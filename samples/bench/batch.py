"""What a batch costs beside its pictures: growth to 10,000 rows, engines, two workers and one.

    python samples/bench/batch.py growth            reading, resuming and reporting 10,000 rows
    python samples/bench/batch.py engines [items]   rate and own cost of here, 1 and 2 workers
    python samples/bench/batch.py bytes             24 edits by local workers and by Ray: the same?

Engines and bytes draw with emoji-sd. The clock of engines starts when every worker has made its
first picture, so that start-up stays apart. Other load on the machine shows in its rates, but not
in the processor time of a picture: where two workers need no more of it than one, idle cores would
double the rate.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crossattn.pipelines.batch import ModelRenderer, Rendering, make_plan, read_plan, run_batch
from crossattn.pipelines.batch.plan import Plan, full_fields
from crossattn.pipelines.recipe import Recipe

ROWS = 10_000
STEPS = 10
EDITS = [
    {"prompt": f"a red {source} on grass", "edit": f"a {colour} {target} on grass", "seed": seed}
    for source, target in (("car", "house"), ("boat", "car"), ("balloon", "boat"))
    for colour in ("red", "blue")
    for seed in range(4)
]


def describe(*packages: str) -> str:
    """Say what was measured on; asked last, since it loads torch."""
    from machine import describe

    return describe(*packages)


def growth() -> None:
    """Time a plan of 10,000 edits that are all there, from its file to its reports."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "plan.jsonl", Path(folder) / "out"
        file.write_text("".join(json.dumps(_row(n)) + "\n" for n in range(ROWS // 10)))
        start, busy = time.perf_counter(), time.process_time()
        plan = read_plan(file)
        read = time.perf_counter()
        _pretend(plan, out)
        ready = time.perf_counter()
        results = sum(1 for _ in run_batch(plan, output=out))
        end, spent = time.perf_counter(), time.process_time() - busy
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert results == ROWS
    print(f"{ROWS:,} edits that are all there; growth, one run.\n{describe('crossattn', 'torch')}")
    _table(
        ("read and expand, s", "resume and report, s", "processor time, s", "memory at most, MB"),
        [(f"{read - start:.1f}", f"{end - ready:.1f}", f"{spent:.1f}", f"{memory:.0f}")],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for row in (
        "",
        *[f"| {' | '.join(each)} |" for each in (head, ["---"] * len(head), *rows)],
        "",
    ):
        print(row)


def _row(number: int) -> dict[str, Any]:
    """Return a row that stands for ten edits."""
    return {
        "prompt": f"a red car left of a blue balloon {number}",
        "edit": {"prompt": f"a red house left of a blue balloon {number}", "blend": []},
        "weights": {"house": [1, 2]},
        "seeds": "0..4",
    }


def _pretend(plan: Plan, out: Path) -> None:
    """Write the manifest that a finished run of the plan leaves, and pictures of a few bytes."""
    names = ["a", "red", "car", "left", "of", "a", "blue", "balloon"]
    words = [[name, 1, 0.0123456789] for name in names]
    keys = ("text", "occurrence", "source", "covered", "covers", "moved")
    moved = [dict(zip(keys, (n, 1, [n], 0.0123, 0.0123, 0.0123), strict=True)) for n in names]
    edit = {"mode": "replace", "words": moved, "changed": 0.1, "inside": 0.5, "outside": 0.01}
    facts = {"sampler": "DDIM", "seconds": 1.0, "words": words, "warnings": [], "edit": edit}
    (out / "pictures").mkdir(parents=True)
    (out / "plan.jsonl").write_text("".join(item.line() + "\n" for item in plan))
    header = {"crossattn batch": 1, **ModelRenderer().made_with(item.recipe for item in plan)}
    with (out / "manifest.jsonl").open("w") as file:
        file.write(json.dumps(header, separators=(",", ":")) + "\n")
        for item in plan:
            (out / "pictures" / f"{item.id}.png").write_bytes(b"picture")
            record = {
                "id": item.id,
                "status": "done",
                "files": {"picture.png": f"pictures/{item.id}.png"},
                "sizes": {"picture.png": len(b"picture")},
                "recipe": full_fields(item.recipe),
                **facts,
            }
            file.write(json.dumps(record, separators=(",", ":")) + "\n")


class Timed(ModelRenderer):
    """Draws as ever, and notes the processor seconds of each picture, and who drew it."""

    def __call__(self, recipe: Recipe) -> Rendering:
        start = time.process_time()
        made = super().__call__(recipe)
        made.facts.update(processor=time.process_time() - start, worker=os.getpid())
        return made


def engines(count: int) -> None:
    """Time the same pictures here and by one and two workers."""
    plan = make_plan([{"prompt": "a red car on grass", "seeds": f"0..{count}", "steps": STEPS}])
    rates = {}
    for workers in (0, 1, 2):
        with tempfile.TemporaryDirectory() as folder:
            rates[workers] = _rate(plan, {"output": Path(folder) / "out", "workers": workers})
    print(f"{count} pictures of {STEPS} steps; engines, one run: here, and by workers.")
    print(describe("crossattn", "torch"))
    head = "workers", "ready after, s", "pictures a second", "against one worker", "drawing"
    more = "processor s a picture", "the engine's own"
    _table(
        (*head, *more),
        [
            (
                str(workers) if workers else "none: here",
                f"{made.ready:.1f}",
                f"{made.rate:.2f}",
                f"{made.rate / rates[1].rate:.2f}",
                f"{made.drawing:.1%}",
                f"{made.processor:.2f}",
                f"{made.own:.1%}",
            )
            for workers, made in rates.items()
        ],
    )


class Rate(NamedTuple):
    """How quickly an engine draws: seconds until every worker has drawn once, pictures a second
    from then on, the share of that time in drawing, processor seconds of a picture, and the share
    of all processor time that is the engine's own."""

    ready: float
    rate: float
    drawing: float
    processor: float
    own: float


def _rate(plan: Plan, options: dict[str, Any]) -> Rate:
    start, processes = time.perf_counter(), max(1, options["workers"])
    ends, records, warm, own = [], [], set[int](), 0.0
    for result in run_batch(plan, render=Timed(), **options):
        if len(warm) < processes:
            warm.add(result.record["worker"])
            ends, own = [time.perf_counter()], time.process_time()
            continue
        ends.append(time.perf_counter())
        records.append(result.record)
    spent, own = ends[-1] - ends[0], time.process_time() - own
    work, busy = (sum(record[name] for record in records) for name in ("seconds", "processor"))
    # Here, the pictures are this process's own work too.
    total = own + busy if options["workers"] else own
    return Rate(
        ready=ends[0] - start,
        rate=len(records) / spent,
        drawing=work / spent / processes,
        processor=busy / len(records),
        own=1 - busy / total,
    )


def same_bytes() -> None:
    """Draw 24 edits by local workers and by Ray, and compare every picture's bytes."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for engine in ("local", "ray"):
            start = time.perf_counter()
            out = Path(folder) / engine
            errors = [r.error for r in run_batch(EDITS, output=out, engine=engine, workers=2)]
            assert errors == [None] * len(EDITS), errors
            seconds[engine] = time.perf_counter() - start
        local, ray = (
            {path.name: path.read_bytes() for path in (Path(folder) / name / "pictures").iterdir()}
            for name in ("local", "ray")
        )
    same = sum(local[name] == ray[name] for name in local)
    print(f"{len(local)} edits by two local workers and by Ray; bytes, one run.")
    print(describe("crossattn", "torch", "ray"))
    head = "local, s", "Ray, s", "pictures", "of the same bytes"
    _table(head, [(f"{seconds['local']:.1f}", f"{seconds['ray']:.1f}", str(len(local)), str(same))])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("growth", "engines", "bytes"))
    parser.add_argument("items", type=int, nargs="?", default=64)
    asked = parser.parse_args()
    if asked.what == "growth":
        growth()
    elif asked.what == "engines":
        engines(asked.items)
    else:
        same_bytes()
