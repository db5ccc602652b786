"""The command `crossattn batch`: a file of recipes in, a folder of everything out."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.ui.options import FLAG, by_default
from crossattn.ui.show import StoppedError, add_row, show, table, warn

if TYPE_CHECKING:
    from crossattn.pipelines.batch import BatchResult, Item, Plan

MOST_SHOWN = 12

LOG_SECONDS = 30.0
"""Time between two lines about a batch's progress where there is no terminal."""


def batch(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN",
            help="A .jsonl, .json, .yaml, .csv or .parquet file, or PIE-Bench's mapping_file.json.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where all of it goes.")
    ] = Path("out/batch"),
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A recipe field for every row that does not set it. Repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what would run, its time and space; make nothing.", **FLAG
        ),
    ] = False,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="local, or ray for many machines.")
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="NUMBER",
            help="Processes; 0 is this one." + by_default("one a core, as memory allows"),
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER/COUNT",
            help="Do one part of the plan, 3/16; run without it afterwards to gather all.",
        ),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Keep each attention record too.", **FLAG)
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            min=1, metavar="SECONDS", help="How long a picture may take before it has failed."
        ),
    ] = 3600,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print a JSON line for each picture, for programs.", **FLAG),
    ] = False,
) -> None:
    """Draw every picture of a plan, and go on where an earlier run stopped.

    Writes pictures, a manifest, a table (results.parquet) and a page to look through (index.html).
    A line of a plan holds recipe fields, and may sweep them:

    \b
    [dim]{"prompt": "a red car on grass", "seeds": "0..7"}
    {"prompt": "a red car on grass", "weights": {"car": [0.5, 1, 1.5, 2]}}
    {"prompt": "a cat", "sweep": {"steps": [10, 25], "guidance": [1, 4, 7]}}[/dim]

    A picture that fails three times is set aside, sooner if its recipe is at fault, and tried anew
    by the next run; the exit code is then 1.

    \b
    [dim]crossattn batch edits.jsonl --dry-run
    crossattn batch edits.jsonl -o out --set steps=20
    crossattn batch edits.jsonl -o out --engine ray --workers 16[/dim]
    """
    from crossattn.pipelines.batch import Shard, groups_of, read_plan
    from crossattn.pipelines.batch.sizing import default_workers

    if engine not in ("local", "ray"):
        raise typer.BadParameter(f"the engine is local or ray, not {engine[:40]!r}.")
    part = Shard.parse(shard) if shard else None
    what = read_plan(plan, _fields(settings or []))
    for note in what.notes:
        warn(note)
    count = default_workers(what) if workers is None else workers
    mine = [item for group in groups_of(what, part) for item in group]
    if dry_run:
        _tell(mine, output, count, trace, as_json)
        return
    if not as_json:
        helped = "in this process" if count == 0 else f"by {_many(count, 'worker')}"
        print(f"{_many(len(mine), 'picture')} {helped}, into {output}", file=sys.stderr)
    options = {"engine": engine, "workers": count, "shard": part, "trace": trace}
    failed = _run(what, len(mine), output, {**options, "timeout": timeout}, as_json)
    if failed:
        raise typer.Exit(1)


def _fields(settings: list[str]) -> dict[str, Any]:
    from crossattn.pipelines.batch.tables import cell_value, set_field

    fields: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting[:40]!r} is not a setting: write --set steps=20.")
        set_field(fields, name, cell_value(name, value))
    return fields


def _tell(items: "Sequence[Item]", output: Path, workers: int, trace: bool, as_json: bool) -> None:
    """Say what a run of these items would do."""
    from crossattn.pipelines.batch.manifest import read_records
    from crossattn.pipelines.batch.sizing import estimate

    records = read_records(output)
    missing = [item for item in items if item.id not in records.done]
    guess = estimate(missing, records, output, trace=trace)
    seconds = guess.seconds / max(1, min(workers, len(missing)))
    if as_json:
        print(
            json.dumps(
                {
                    "pictures": len(items),
                    "missing": len(missing),
                    "workers": workers,
                    "seconds": round(seconds, 3),
                    "bytes": guess.bytes,
                    "items": [{**item.axes, "id": item.id, "row": item.where} for item in items],
                }
            )
        )
        return
    if not missing:
        print(f"All {_many(len(items), 'picture')} are in {output} already.")
        return
    rows = table("picture", "row", "of the sweep")
    for item in missing[:MOST_SHOWN]:
        add_row(rows, item.id, item.where, ", ".join(f"{k} {v}" for k, v in item.axes.items()))
    if len(missing) > MOST_SHOWN:
        add_row(rows, f"and {len(missing) - MOST_SHOWN} more", "", "")
    show(rows)
    there = len(items) - len(missing)
    print(
        f"{_many(len(items), 'picture')}, {there} there already; the other {len(missing)} take "
        f"about {_duration(seconds)} with {_many(workers, 'worker')}, and about "
        f"{_size(guess.bytes)} in {output}."
    )


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _run(plan: "Plan", total: int, output: Path, options: dict[str, Any], as_json: bool) -> int:
    """Run `total` pictures of a plan, and return how many failed."""
    from crossattn.pipelines.batch import run_batch

    counts = {"made": 0, "earlier": 0, "failed": 0}
    started = time.monotonic()
    try:
        with _following(total, quiet=as_json) as follow:
            for result in run_batch(plan, output=output, **options):
                kind = "failed" if result.error else "earlier" if result.earlier else "made"
                counts[kind] += 1
                if as_json:
                    _print_line(result)
                elif result.error:
                    warn(f"{result.item.where}: {result.error}")
                follow(counts)
    except KeyboardInterrupt:
        done = counts["made"] + counts["earlier"]
        raise StoppedError(
            f"stopped; {done} of {total} are kept, run the same again for the rest."
        ) from None
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
def _following(total: int, *, quiet: bool) -> Iterator[Callable[[dict[str, int]], None]]:
    """Show on the standard error how far a batch is: done, rate, time left, failures.

    A terminal has a bar, a log a line now and then. Gives a function to call with the counts of
    each kind of result.
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
    started = said = time.monotonic()
    logged = not quiet and not console.is_terminal
    with Bar(*columns, console=console, disable=quiet or logged) as bar:
        task = bar.add_task("", total=total, told="starting")

        def follow(counts: dict[str, int]) -> None:
            nonlocal said
            now = counts["made"] + counts["failed"]
            passed = time.monotonic() - started
            told = f"{60 * now / passed:.3g} a minute" if now else "starting"
            told += f", {counts['failed']} failed" if counts["failed"] else ""
            # What was there already would make the rest look quick.
            left = total - counts["earlier"]
            bar.update(task, total=left, completed=now, told=told)
            if logged and now and time.monotonic() - said >= LOG_SECONDS:
                said = time.monotonic()
                rest = _duration(passed / now * (left - now))
                print(f"{now} of {left}, {told}, about {rest} left", file=sys.stderr, flush=True)

        yield follow
