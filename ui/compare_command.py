"""`crossattn compare`: the same picture by several attention mechanisms."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from crossattn.ui import options as opt
from crossattn.ui.output_places import picture_path
from crossattn.ui.show import add_row, named, print_json, show, table, warn


@opt.with_choices
def compare(
    chosen: dict[str, Any],
    prompt: opt.Prompt,
    mechanisms: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="With commas between: scaled, unscaled, linear, topk:N, window:N, gqa:N.",
        ),
    ] = "scaled,topk:4,unscaled,gqa:2,linear",
    output: opt.PictureOutput = None,
    as_json: opt.Json = False,
) -> None:
    """Draw one picture by several attention mechanisms, side by side.

    The sheet and the table show what each does to the words. "scaled" is what the model was trained
    with; "topk:4" lets each pixel keep its 4 strongest tokens, "unscaled" leaves out the division
    by √d, "gqa:2" averages keys and values into 2 heads, "linear" replaces softmax, "window:2"
    keeps the tokens within 2 of each pixel's strongest.

    \b
    [dim]crossattn compare "a red car and a blue dog"
    crossattn compare "a red car and a blue dog" --mechanisms scaled,topk:1,topk:2,topk:4[/dim]
    """
    from rich.console import Console
    from rich.progress import Progress

    recipe = opt.recipe_of(prompt, chosen)
    names = [name.strip() for name in mechanisms.split(",")]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing", total=len(names))
        from crossattn.pipelines.compare import compare as compared_by
        from crossattn.pipelines.compare import comparison_sheet
        from crossattn.pipelines.export import default_name
        from crossattn.pipelines.files import write_file
        from crossattn.pipelines.load import load
        from crossattn.pipelines.picture import to_png

        place = picture_path(output, f"{default_name(recipe)}-mechanisms")
        where = {key: chosen[key] for key in ("revision", "config", "dtype", "device")}
        pipe = load(recipe.model, **where)
        done = list(bar.track(compared_by(recipe, names, pipe), len(names), task_id=task))
        settled = done[0].result.recipe
        sheet = to_png(comparison_sheet(done), settled, done[0].result.sampler)
    for note in dict.fromkeys(note for one in done for note in one.result.warnings):
        warn(note)
    path = write_file(place, sheet)
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
    from crossattn.coverage import MEANING

    names = [one.mechanism for one in done]
    grid = table("", *names, right=tuple(names))
    add_row(grid, "entropy, bits", *(f"{one.entropy:.2f}" for one in done))
    add_row(grid, "CPU seconds", *(f"{one.cpu_seconds:.1f}" for one in done))
    if done[0].memory is not None:
        add_row(grid, "memory, MiB", *(f"{(one.memory or 0) / 2**20:.0f}" for one in done))
    for shares in zip(*(one.result.words for one in done), strict=True):
        add_row(grid, f"{named(shares[0])} covers", *(f"{share.cover:.1%}" for share in shares))
    show(grid)
    print(MEANING)
    print(path)
