"""The command line. What is heavy is imported inside the commands, so that --help is quick."""

import json
import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import Abort, Exit, TyperException

from crossattn.errors import CrossattnError
from crossattn.ui import options as opt
from crossattn.ui.compare_command import compare
from crossattn.ui.show import add_row, progress_bar, show, table, warn

if TYPE_CHECKING:
    from crossattn.pipelines.run import Result

app = typer.Typer(
    name="crossattn",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

EMBEDDED = "emoji-sd"

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
        sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run one command line and return its exit code: 0 done, 2 cannot be done, 130 stopped."""
    try:
        code: int | None = app(arguments, prog_name="crossattn", standalone_mode=False)
    except (CrossattnError, TyperException) as error:
        text = error.format_message() if isinstance(error, TyperException) else str(error)
        print(f"crossattn: {' '.join(text.split())}", file=sys.stderr)
        return 2
    except Exit as stop:
        code = stop.exit_code
    except (Abort, KeyboardInterrupt):
        code = 130
    if code == 130:
        print("crossattn: stopped; nothing was written.", file=sys.stderr)
    return code or 0


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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    schema: Annotated[
        bool,
        typer.Option(
            "--schema", callback=_schema, is_eager=True, help="Print a recipe's JSON Schema."
        ),
    ] = False,
) -> None:
    """See and steer how words become pictures.

    Start with: [bold]crossattn heatmap "a red car left of a blue balloon on grass"[/bold]
    """


@app.command()
def generate(
    prompt: opt.Prompt,
    model: opt.Model = EMBEDDED,
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    size: opt.Size = None,
    negative_prompt: opt.Negative = "",
    scheduler: opt.Scheduler = None,
    revision: opt.Revision = None,
    config: opt.Config = None,
    device: opt.Device = None,
    dtype: opt.Dtype = "float32",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A .png file, or a folder.", show_default="the folder out"
        ),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw a picture, and say how much attention each word had.

    The picture is a PNG that carries its recipe, so that [bold]crossattn replay[/bold] can draw it
    again. No file is ever overwritten: the next one gets a number.

    \b
    [dim]crossattn generate "a cat on a beach"
    crossattn generate "a cat on a beach" --seed 7 --steps 40 -o cat.png
    crossattn generate "a cat" --model stabilityai/sdxl-turbo --size 512x768[/dim]
    """
    from crossattn.pipelines.export import default_name, write_picture
    from crossattn.pipelines.run import run

    recipe = opt.recipe_of(
        size,
        prompt=prompt,
        model=model,
        seed=seed,
        steps=steps,
        guidance=guidance,
        negative_prompt=negative_prompt,
        scheduler=scheduler,
        revision=revision,
        config=config,
        device=device,
        dtype=dtype,
    )
    with progress_bar("drawing") as follow:
        result, _ = follow(run(recipe))
    where = output or Path("out")
    if where.suffix.lower() != ".png":
        where = where / f"{default_name(result.recipe)}.png"
    _report(result, [write_picture(result, where)], as_json)


@app.command()
def heatmap(
    prompt: opt.Prompt,
    model: opt.Model = EMBEDDED,
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    size: opt.Size = None,
    negative_prompt: opt.Negative = "",
    scheduler: opt.Scheduler = None,
    revision: opt.Revision = None,
    config: opt.Config = None,
    device: opt.Device = None,
    dtype: opt.Dtype = "float32",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder.", show_default="a new folder in out"),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw a picture, and show which words attend where.

    Writes a folder: the picture, the picture under each word's heat map, a contact sheet of them
    all, a film of them over the steps, the trace (safetensors) and the recipe (JSON).

    \b
    [dim]crossattn heatmap "a red car left of a blue balloon on grass"
    crossattn heatmap "a cat on a beach" --seed 7 -o cat[/dim]
    """
    from crossattn.pipelines.export import FILM_FRAMES, default_name, write_heatmaps
    from crossattn.pipelines.run import run

    recipe = opt.recipe_of(
        size,
        prompt=prompt,
        model=model,
        seed=seed,
        steps=steps,
        guidance=guidance,
        negative_prompt=negative_prompt,
        scheduler=scheduler,
        revision=revision,
        config=config,
        device=device,
        dtype=dtype,
    )
    with progress_bar("drawing") as follow:
        result, seen = follow(run(recipe, bins=FILM_FRAMES))
    folder = output or Path("out") / default_name(result.recipe)
    files = write_heatmaps(result, [event.latents for event in seen], folder)
    _report(result, files, as_json)


@app.command()
def explain(
    prompt: opt.Prompt,
    model: opt.Model = EMBEDDED,
    revision: opt.Revision = None,
    config: opt.Config = None,
    as_json: opt.Json = False,
) -> None:
    """Show how a model's text encoders cut a prompt into tokens, and which word each belongs to.

    Words beyond an encoder's limit are named: the model never reads them.

    \b
    [dim]crossattn explain "a (small:1.5) cat in heavy snow"
    crossattn explain "a cat" --model stabilityai/stable-diffusion-xl-base-1.0 --json[/dim]
    """
    from crossattn.pipelines.load import load_tokenizers
    from crossattn.pipelines.recipe import Recipe
    from crossattn.pipelines.run import positions, read

    Recipe(prompt=prompt, model=model, revision=revision, config=config)
    words, notes = read(prompt, load_tokenizers(model, revision=revision, config=config))
    for note in notes:
        warn(note)
    if as_json:
        _print_json(
            {
                "encoders": [
                    {
                        "name": encoder.name,
                        "limit": encoder.limit,
                        "tokens": [
                            {"index": token.index, "text": token.text, "word": token.word}
                            for token in encoder.tokens
                        ],
                    }
                    for encoder in words.encodings
                ],
                "words": [
                    {
                        "text": word.text,
                        "occurrence": word.occurrence,
                        "tokens": positions(word.tokens),
                        "weight": word.weight,
                    }
                    for word in words.words
                ],
                "dropped": [word.text for word in words.dropped],
            }
        )
        return
    for encoder in words.encodings:
        rows = table("index", "token", "id", "word", right=("index", "id"))
        rows.title = f"{encoder.name}: {len(encoder.tokens)} of {encoder.limit} tokens"
        for token in encoder.tokens:
            word = "" if token.word is None else words.words[token.word].text
            add_row(rows, token.index, token.text, token.id, word)
        show(rows)
    rows = table("word", "occurrence", "tokens", "weight", right=("occurrence", "weight"))
    for one in words.words:
        places = " ".join(map(str, positions(one.tokens))) or "dropped"
        add_row(rows, one.text, one.occurrence, places, f"{one.weight:g}")
    show(rows)


@app.command()
def replay(
    picture: Annotated[Path, typer.Argument(help="A PNG that crossattn made.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(help="Where the model lies now.", show_default="the recipe's"),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="the recipe's")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write the new picture here.", show_default=False),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw a picture again from the recipe in it, and say whether the bytes agree.

    The exit code is 0 if every pixel is the same, and 1 if not.

    \b
    [dim]crossattn replay cat.png[/dim]
    """
    from crossattn.pipelines.export import write_picture
    from crossattn.pipelines.picture import read_picture, read_recipe
    from crossattn.pipelines.replay import compare, drifted
    from crossattn.pipelines.run import run

    then = read_recipe(picture)
    before = read_picture(picture)
    changes = {key: value for key, value in (("model", model), ("device", device)) if value}
    with progress_bar("drawing again") as follow:
        result, _ = follow(run(then.replace(**changes)))
    for note in result.warnings:
        warn(note)
    files = [write_picture(result, output)] if output else []
    different, largest = compare(before, result.image)
    if as_json:
        _print_json(
            {
                "same": different == 0,
                "pixels_different": different,
                "largest_difference": largest,
                "image": str(picture),
                "recipe": result.recipe.model_dump(),
                "seconds": round(result.seconds, 3),
                "files": [str(file) for file in files],
            }
        )
    elif different == 0:
        print(f"{picture}: the same, every byte of the picture agrees.")
    else:
        print(
            f"{picture}: not the same, {different} of {before.width * before.height} pixels differ "
            f"(by at most {largest} of 255)."
        )
        for sentence in drifted(then, result.recipe):
            warn(sentence)
    raise typer.Exit(0 if different == 0 else 1)


@app.command()
def models(as_json: opt.Json = False) -> None:
    """List the models that can be used right away: the one that ships, and the hub's in the cache.

    \b
    [dim]crossattn models
    crossattn generate "a cat" --model owner/name[/dim]
    """
    from crossattn.pipelines.hub import cached_models
    from crossattn.pipelines.load import find_model

    listed = [(EMBEDDED, "ships", None, find_model(EMBEDDED).folder)]
    listed += [(one.name, "hub cache", one.revision, one.folder) for one in cached_models()]
    if as_json:
        keys = ("name", "kind", "revision", "path")
        _print_json(
            {"models": [dict(zip(keys, (*one[:3], str(one[3])), strict=True)) for one in listed]}
        )
        return
    rows = table("model", "where from", "revision")
    for name, kind, revision, _ in listed:
        add_row(rows, name, kind, (revision or "")[:12])
    show(rows)


app.command()(compare)


def _report(result: "Result", files: list[Path], as_json: bool) -> None:
    for note in result.warnings:
        warn(note)
    if as_json:
        _print_json(
            {
                "image": str(files[0]),
                "recipe": result.recipe.model_dump(),
                "model": result.recipe.model,
                "seconds": round(result.seconds, 3),
                "words": [asdict(word) for word in result.words],
                "files": [str(file) for file in files],
            }
        )
        return
    rows = table("word", "attention", "", right=("attention",))
    most = max((word.mass for word in result.words), default=1) or 1
    for word in result.words:
        again = f" ({word.occurrence})" if word.occurrence > 1 else ""
        bar = "━" * max(1, round(24 * word.mass / most))
        add_row(rows, word.text + again, f"{word.mass:.1%}", bar)
    show(rows)
    for file in files:
        print(file)
    print(f"seed {result.recipe.seed}, {result.recipe.steps} steps, {result.seconds:.1f} s")


def _print_json(data: dict[str, Any]) -> None:
    print(json.dumps(data, indent=2))
