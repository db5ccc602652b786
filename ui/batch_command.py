"""The command `crossattn batch`: a file of recipes in, a folder of everything out."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.ui.show import add_row, show, table, warn

if TYPE_CHECKING:
    from crossattn.pipelines.batch import BatchResult, Plan

MOST_SHOWN = 12


def batch(
    plan: Annotated[
        Path,
        typer.Argument(
            help="A plan: .jsonl, .json, .yaml, .csv, .parquet or PIE-Bench's mapping_file.json.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder.")] = Path("out/batch"),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A recipe field for every row that does not set it; repeat for more.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would run, its time and space; make nothing."),
    ] = False,
    engine: Annotated[str, typer.Option(help="local, or ray for many machines.")] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, help="Processes; 0 is this one.", show_default="one a core, as memory allows"
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER/COUNT",
            help="Do one part of the plan, 3/16; run without it afterwards to gather all.",
            show_default=False,
        ),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Keep each attention record too.")] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after which a picture has failed.")
    ] = 3600,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON line for each picture, for programs.")
    ] = False,
) -> None:
    """Draw every picture of a plan, and go on where an earlier run stopped.

    Writes pictures, a manifest, a table (results.parquet) and a page to look through (index.html).
    A line of a plan holds recipe fields, and may sweep them:

    \b
    [dim]{"prompt": "a red car on grass", "seeds": "0..7"}
    {"prompt": "a red car on grass", "weights": {"car": [0.5, 1, 1.5, 2]}}
    {"prompt": "a cat", "sweep": {"steps": [10, 25], "guidance": [1, 4, 7]}}[/dim]

    A picture that fails three times is set aside, and tried anew by the next run; the exit code is
    then 1.

    \b
    [dim]crossattn batch edits.jsonl --dry-run
    crossattn batch edits.jsonl -o out --set steps=20
    crossattn batch edits.jsonl -o out --engine ray --workers 16[/dim]
    """
    from crossattn.pipelines.batch import Shard, read_plan
    from crossattn.pipelines.batch.sizing import default_workers

    if engine not in ("local", "ray"):
        raise typer.BadParameter(f"the engine is local or ray, not {engine[:40]!r}.")
    part = Shard.parse(shard) if shard else None
    what = read_plan(plan, _fields(settings or []))
    count = default_workers(what) if workers is None else workers
    if dry_run:
        _tell(what, output, count, trace, as_json)
        return
    options = {"engine": engine, "workers": count, "shard": part, "trace": trace}
    failed = _run(what, output, {**options, "timeout": timeout}, as_json)
    if failed:
        raise typer.Exit(1)


def _fields(settings: list[str]) -> dict[str, Any]:
    from crossattn.pipelines.batch.rows import cell_value

    fields = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting[:40]!r} is no setting: write --set steps=20.")
        fields[name] = cell_value(name, value)
    return fields


def _tell(plan: "Plan", output: Path, workers: int, trace: bool, as_json: bool) -> None:
    """Say what a run would do."""
    from crossattn.pipelines.batch.manifest import read_records
    from crossattn.pipelines.batch.sizing import estimate

    records = read_records(output)
    missing = [item for item in plan if item.id not in records.done]
    guess = estimate(missing, records, output, trace=trace)
    seconds = guess.seconds / max(1, min(workers, len(missing)))
    if as_json:
        print(
            json.dumps(
                {
                    "pictures": len(plan),
                    "missing": len(missing),
                    "workers": workers,
                    "seconds": round(seconds, 3),
                    "bytes": guess.bytes,
                    "items": [{"id": item.id, "row": item.where, **item.axes} for item in plan],
                }
            )
        )
        return
    if not missing:
        print(f"All {len(plan)} pictures are in {output} already.")
        return
    rows = table("picture", "row", "of the sweep")
    for item in missing[:MOST_SHOWN]:
        add_row(rows, item.id, item.where, ", ".join(f"{k} {v}" for k, v in item.axes.items()))
    if len(missing) > MOST_SHOWN:
        add_row(rows, f"and {len(missing) - MOST_SHOWN} more", "", "")
    show(rows)
    print(
        f"{len(plan)} pictures, {len(plan) - len(missing)} there already; the other {len(missing)} "
        f"take about {_duration(seconds)} with {workers} "
        f"{'worker' if workers == 1 else 'workers'}, and about {_size(guess.bytes)} in {output}."
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _run(plan: "Plan", output: Path, options: dict[str, Any], as_json: bool) -> int:
    """Run a plan, and return how many pictures failed."""
    from crossattn.pipelines.batch import run_batch

    counts = {"made": 0, "earlier": 0, "failed": 0}
    started = time.monotonic()
    try:
        with _bar(len(plan), hidden=as_json) as follow:
            for result in run_batch(plan, output=output, **options):
                kind = "failed" if result.error else "earlier" if result.earlier else "made"
                counts[kind] += 1
                follow(counts)
                if as_json:
                    _print_line(result)
                elif result.error:
                    warn(f"{result.item.where}: {result.error}")
    except KeyboardInterrupt:
        done = counts["made"] + counts["earlier"]
        warn(f"stopped; {done} of {len(plan)} are kept, run the same again for the rest.")
        raise typer.Exit(130) from None
    if as_json:
        seconds = round(time.monotonic() - started, 3)
        print(json.dumps({"output": str(output), **counts, "seconds": seconds}))
    else:
        _sum_up(output, counts, part=options["shard"] is not None)
    return counts["failed"]


def _sum_up(output: Path, counts: dict[str, int], *, part: bool) -> None:
    from crossattn.pipelines.batch.report import has_pyarrow

    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    print(f"{output}: {counts['made']} made, {counts['earlier']} there already{failed}.")
    if part:
        print("This was one part; when all are done, run once without --shard to gather them.")
        return
    print(f"Look at {output / 'index.html'}.")
    if not has_pyarrow():
        warn("results.parquet was left out: pip install 'crossattn[batch]'.")


def _print_line(result: "BatchResult") -> None:
    line = {
        "id": result.id,
        "status": result.record["status"],
        "earlier": result.earlier,
        "files": result.record.get("files", {}),
        "seconds": result.record.get("seconds"),
        "error": result.error,
    }
    print(json.dumps(line), flush=True)


@contextmanager
def _bar(total: int, *, hidden: bool) -> Iterator[Callable[[dict[str, int]], None]]:
    """Show on the standard error, if that is a terminal: done, rate, time left, failures.

    Gives a function to call with the counts of each kind of result.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    started = time.monotonic()
    with Bar(*columns, console=console, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task("", total=total, told="starting")

        def follow(counts: dict[str, int]) -> None:
            now = counts["made"] + counts["failed"]
            told = f"{now / (time.monotonic() - started):.2g} a second"
            told += f", {counts['failed']} failed" if counts["failed"] else ""
            # What was there already would make the rest look quick.
            bar.update(task, total=total - counts["earlier"], completed=now, told=told)

        yield follow
