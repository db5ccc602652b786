"""What commands say: a progress bar while they work, tables and sentences when they are done."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

    from crossattn.pipelines.denoise import Progress

End = TypeVar("End")


class Follow(Protocol):
    """Runs an iterator of progress to what it ends with."""

    def __call__(self, events: "Iterator[Progress | End]") -> "tuple[End, list[Progress]]":
        """Return the end, and the progress before it."""


def warn(sentence: str) -> None:
    """Print a sentence that somebody should know to the standard error."""
    print(f"note: {sentence}", file=sys.stderr)


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object to the standard output."""
    print(json.dumps(data, indent=2))


@contextmanager
def progress_bar(what: str) -> Iterator[Follow]:
    """Show a bar on the standard error, if that is a terminal, from loading to the last step.

    Gives a function that runs a recipe's iterator to its end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("loading", total=None)

        def follow(events: "Iterator[Progress | End]") -> "tuple[End, list[Progress]]":
            from crossattn.pipelines.denoise import Progress

            seen: list[Progress] = []
            for event in events:
                if not isinstance(event, Progress):
                    return event, seen
                seen.append(event)
                bar.update(
                    task,
                    description=f"{what} {event.index + 1}/{event.total}",
                    total=event.total,
                    completed=event.index + 1,
                )
            raise AssertionError("a run ends with its result")

        yield follow


def table(*headings: str, right: tuple[str, ...] = ()) -> "Table":
    """Return an empty table with plain headings; those in `right` are set to the right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left")
    return made


def add_row(to: "Table", *cells: object) -> None:
    """Add a row of values as plain text: brackets in them are not styles."""
    from rich.text import Text

    to.add_row(*(Text(str(cell)) for cell in cells))


def show(what: "Table") -> None:
    """Print a table to the standard output."""
    from rich.console import Console

    Console().print(what)
