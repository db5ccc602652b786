"""`crossattn compare`: the same picture by several attention mechanisms."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crossattn.ui import options as opt
from crossattn.ui.show import add_row, print_json, show, table, warn


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
        typer.Option(
            "--output", "-o", help="A .png file, or a folder.", show_default="the folder out"
        ),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw one picture by several attention mechanisms, and show what each does to the words.

    "scaled" is what the model was trained with; "topk:4" lets each pixel keep its 4 strongest
    tokens, "unscaled" leaves out the division by √d, "gqa:2" averages keys and values into 2 heads,
    "linear" replaces softmax, "window:2" keeps the tokens within 2 of each pixel's strongest.

    \b
    [dim]crossattn compare "a red car and a blue dog" --mechanisms scaled,topk:1[/dim]
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
    path = fresh_path(opt.picture_path(output, f"{default_name(settled)}-mechanisms"))
    write_file(path, to_png(comparison_sheet(done), settled, done[0].result.sampler))
    if as_json:
        print_json(
            {
                "image": str(path),
                "recipe": settled.model_dump(),
                "compared": [
                    {
                        "mechanism": one.mechanism,
                        "entropy": one.entropy,
                        "cpu_seconds": one.cpu_seconds,
                        "memory": one.memory,
                        "words": [asdict(word) for word in one.result.words],
                    }
                    for one in done
                ],
            }
        )
        return
    names = [one.mechanism for one in done]
    grid = table("", *names, right=tuple(names))
    add_row(grid, "entropy, bits", *(f"{one.entropy:.2f}" for one in done))
    add_row(grid, "CPU seconds", *(f"{one.cpu_seconds:.1f}" for one in done))
    if done[0].memory is not None:
        add_row(grid, "memory, MiB", *(f"{(one.memory or 0) / 2**20:.0f}" for one in done))
    for shares in zip(*(one.result.words for one in done), strict=True):
        word = shares[0]
        again = f" ({word.occurrence})" if word.occurrence > 1 else ""
        add_row(grid, word.text + again, *(f"{share.mass:.1%}" for share in shares))
    show(grid)
    print(path)
