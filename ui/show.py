"""What commands say: a progress bar while they work, tables and sentences when they are done."""

import json
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from crossattn.ui.loading import uncollected

if TYPE_CHECKING:
    from rich.table import Table

    from crossattn.pipelines.denoise import Progress

End = TypeVar("End")

TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""The kinds of characters that turn the direction in which those behind them are set."""


class StoppedError(Exception):
    """Somebody stopped a command that has something to say about it."""


class Occurs(Protocol):
    """A word of a prompt, of which there may be several."""

    @property
    def text(self) -> str:
        """As it is written."""

    @property
    def occurrence(self) -> int:
        """Which of those with the same text, from 1."""


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
    with (
        uncollected() as loaded,
        Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("loading", total=None)

        def follow(events: "Iterator[Progress | End]") -> "tuple[End, list[Progress]]":
            from crossattn.pipelines.denoise import Progress

            seen: list[Progress] = []
            for event in events:
                if not isinstance(event, Progress):
                    return event, seen
                loaded()
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
    """Add a row of values as plain text: nothing in them is a style or steers the terminal."""
    from rich.text import Text

    to.add_row(*(Text("".join(map(_harmless, str(cell)))) for cell in cells))


def named(word: Occurs) -> str:
    """A word by the name that tells it from others with the same text: car, or car#2."""
    return f"{word.text}#{word.occurrence}" if word.occurrence > 1 else word.text


def _harmless(character: str) -> str:
    """Spell out what moves the cursor, colours or turns the direction of what follows."""
    steers = unicodedata.category(character) in ("Cc", "Cs")
    turns = unicodedata.bidirectional(character) in TURNS
    return ascii(character)[1:-1] if steers or turns else character


def show(what: "Table") -> None:
    """Print a table to the standard output."""
    from rich.console import Console

    Console().print(what)
