"""The command line. What is heavy is imported inside the commands, so that --help is quick."""

import gc
import inspect
import json
import os
import sys
import warnings
from typing import Annotated

import typer
from typer.exceptions import Abort, Exit, TyperException

from crossattn.errors import CrossattnError
from crossattn.ui.batch_command import batch
from crossattn.ui.browser.command import ui
from crossattn.ui.compare_command import compare
from crossattn.ui.draw_commands import generate, heatmap, words
from crossattn.ui.edit_command import edit
from crossattn.ui.expand_command import expand
from crossattn.ui.explain_command import explain
from crossattn.ui.import_command import import_
from crossattn.ui.models_command import models
from crossattn.ui.options import FLAG
from crossattn.ui.replay_command import replay
from crossattn.ui.show import StoppedError

app = typer.Typer(
    name="crossattn",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

_ENVIRONMENT = {
    # The libraries' chatter hides what this program says; whoever wants it can set these.
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Threads that spin while they wait make a busy machine slower, here by ten times and more.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def main() -> None:
    """Run the command line; what people can mend is told in one sentence, with exit code 2."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = call(sys.argv[1:])
    # The process takes with it what is left; sorting that first takes most of a second.
    gc.freeze()
    sys.exit(code)


def call(arguments: list[str]) -> int:
    """Run one command line and return its exit code: 0 done, 2 cannot be done, 130 stopped."""
    try:
        code: int | None = app(arguments, prog_name="crossattn", standalone_mode=False)
    except (CrossattnError, TyperException) as error:
        text = _sentence(error) if isinstance(error, TyperException) else str(error)
        print(f"crossattn: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except Exit as stop:
        code = stop.exit_code
    except StoppedError as stop:
        print(f"crossattn: {stop}", file=sys.stderr)
        return 130
    except (Abort, KeyboardInterrupt):
        code = 130
    if code == 130:
        print("crossattn: stopped; nothing was written.", file=sys.stderr)
    return code or 0


def _sentence(error: TyperException) -> str:
    """What Typer says is wrong with a command line, and what to do about it."""
    text = error.format_message()
    if text.startswith("Got unexpected extra argument"):
        return f"{text}; put words that belong together in quotes."
    context = getattr(error, "ctx", None)
    if context is None or text.startswith("Invalid value") or "?" in text:
        return text
    dashes = ", or put -- before words that begin with a dash" * text.startswith("No such option")
    return f"{text.rstrip('.')}; see {context.command_path} --help{dashes}."


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(version("crossattn"))
        raise typer.Exit


def _schema(asked: bool) -> None:
    if asked:
        from crossattn.pipelines.recipe import recipe_schema

        print(json.dumps(recipe_schema(), indent=2))
        raise typer.Exit


@app.callback()
def crossattn(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version.", **FLAG
        ),
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema",
            callback=_schema,
            is_eager=True,
            help="Print a recipe's JSON Schema.",
            **FLAG,
        ),
    ] = False,
) -> None:
    """See and steer how words become pictures.

    Start with: [bold]crossattn heatmap "a red car left of a blue balloon on grass"[/bold]
    """


def _flowing(text: str | None) -> str:
    """A docstring whose paragraphs fit any terminal; those after a \\b keep their line breaks."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(
        p.removeprefix("\b\n") if p.startswith("\b") else " ".join(p.split()) for p in paragraphs
    )


COMMANDS = (
    heatmap,
    generate,
    words,
    edit,
    explain,
    expand,
    import_,
    compare,
    replay,
    batch,
    models,
    ui,
)
for command in COMMANDS:
    # A name that Python keeps for itself has an underscore behind it.
    app.command(command.__name__.rstrip("_"), help=_flowing(command.__doc__))(command)
