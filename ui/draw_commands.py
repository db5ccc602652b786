"""The commands `crossattn generate` and `crossattn heatmap`: a picture, and its words in it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.ui import options as opt
from crossattn.ui.show import add_row, print_json, progress_bar, show, table, warn

if TYPE_CHECKING:
    from crossattn.pipelines.run import Result, WordShare


def generate(
    prompt: opt.Prompt,
    model: opt.Model = "emoji-sd",
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    size: opt.Size = None,
    negative_prompt: opt.Negative = "",
    scheduler: opt.Scheduler = None,
    region: opt.Regions = None,
    dialect: opt.Dialect = "compel",
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
    crossattn generate "a red car on grass" --region "red car=0,0.5,0.5,1"
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
        regions=region or (),
        dialect=dialect,
        revision=revision,
        config=config,
        device=device,
        dtype=dtype,
    )
    with progress_bar("drawing") as follow:
        result, _ = follow(run(recipe))
    path = opt.picture_path(output, default_name(result.recipe))
    _report(result, [write_picture(result, path)], as_json)


def heatmap(
    prompt: opt.Prompt,
    model: opt.Model = "emoji-sd",
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    size: opt.Size = None,
    negative_prompt: opt.Negative = "",
    scheduler: opt.Scheduler = None,
    region: opt.Regions = None,
    dialect: opt.Dialect = "compel",
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
        regions=region or (),
        dialect=dialect,
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


def _as_json(word: "WordShare") -> dict[str, Any]:
    weighting = ("weight", "had") if word.had is None else ()
    return {key: value for key, value in asdict(word).items() if key not in weighting}


def _report(result: "Result", files: list[Path], as_json: bool) -> None:
    for note in result.warnings:
        warn(note)
    if as_json:
        print_json(
            {
                "image": str(files[0]),
                "recipe": result.recipe.model_dump(),
                "model": result.recipe.model,
                "seconds": round(result.seconds, 3),
                "words": [_as_json(word) for word in result.words],
                "files": [str(file) for file in files],
            }
        )
        return
    weighted = any(word.had is not None for word in result.words)
    more = ("weight", "without") if weighted else ()
    rows = table("word", *more, "attention", "", right=(*more, "attention"))
    most = max((word.mass for word in result.words), default=1) or 1
    for word in result.words:
        again = f" ({word.occurrence})" if word.occurrence > 1 else ""
        bar = "━" * max(1, round(24 * word.mass / most))
        then = (f"{word.weight:g}", f"{word.had:.1%}") if word.had is not None else ()
        add_row(rows, word.text + again, *then, f"{word.mass:.1%}", bar)
    show(rows)
    for file in files:
        print(file)
    print(f"seed {result.recipe.seed}, {result.recipe.steps} steps, {result.seconds:.1f} s")
