"""`crossattn compare`: the same picture by several attention mechanisms."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crossattn.ui import options as opt
from crossattn.ui.show import add_row, show, table, warn


def compare(
    prompt: opt.Prompt,
    mechanisms: Annotated[
        str,
        typer.Option(
            help="Names with commas between: scaled, unscaled, linear, topk:N, window:N, gqa:N."
        ),
    ] = "scaled,topk:4,unscaled,gqa:2,linear",
    model: opt.Model = "emoji-sd",
    seed: opt.Seed = 0,
    steps: opt.Steps = None,
    guidance: opt.Guidance = None,
    size: opt.Size = None,
    scheduler: opt.Scheduler = None,
    device: opt.Device = None,
    dtype: opt.Dtype = "float32",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .png file.", show_default="a new file in out"),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw one picture by several attention mechanisms, and show what each does to the words.

    "scaled" is what the model was trained with; "topk:4" lets each pixel keep its 4 strongest
    tokens, "unscaled" leaves out the division by √d, "gqa:2" averages keys and values into 2 heads,
    "linear" replaces softmax, "window:2" keeps the tokens within 2 of each pixel's strongest.

    \b
    [dim]crossattn compare "a red car and a blue dog" --mechanisms scaled,topk:1,unscaled[/dim]
    """
    from rich.console import Console
    from rich.progress import track

    from crossattn.pipelines.compare import compare as compared_by
    from crossattn.pipelines.compare import comparison_sheet
    from crossattn.pipelines.export import default_name
    from crossattn.pipelines.files import fresh_path, write_file
    from crossattn.pipelines.load import load
    from crossattn.pipelines.picture import to_png

    recipe = opt.recipe_of(
        size,
        prompt=prompt,
        model=model,
        seed=seed,
        steps=steps,
        guidance=guidance,
        scheduler=scheduler,
        device=device,
        dtype=dtype,
    )
    names = [name.strip() for name in mechanisms.split(",")]
    runs = compared_by(recipe, names, load(model, dtype=dtype, device=device))
    console = Console(stderr=True)
    done = list(
        track(
            runs,
            "comparing",
            total=len(names),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
    )
    for note in dict.fromkeys(note for one in done for note in one.result.warnings):
        warn(note)
    settled = done[0].result.recipe
    path = fresh_path(output or Path("out") / f"{default_name(settled)}-mechanisms.png")
    write_file(path, to_png(comparison_sheet(done), settled, done[0].result.sampler))
    if as_json:
        rows = [
            {
                "mechanism": one.mechanism,
                "entropy": one.entropy,
                "cpu_seconds": one.cpu_seconds,
                "memory": one.memory,
                "words": [asdict(word) for word in one.result.words],
            }
            for one in done
        ]
        recipe_json = settled.model_dump()
        print(json.dumps({"image": str(path), "recipe": recipe_json, "compared": rows}, indent=2))
        return
    words = done[0].result.words
    figures = ("bits", "CPU s", "MiB")
    titles = [word.text for word in words]
    grid = table("mechanism", *figures, *titles, right=(*figures, *titles))
    for one in done:
        memory = "" if one.memory is None else f"{one.memory / 2**20:.0f}"
        shares = (f"{word.mass:.1%}" for word in one.result.words)
        add_row(
            grid, one.mechanism, f"{one.entropy:.2f}", f"{one.cpu_seconds:.1f}", memory, *shares
        )
    show(grid)
    print(path)
