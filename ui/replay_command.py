"""The command `crossattn replay`: a picture drawn again from the recipe in it."""

from pathlib import Path
from typing import Annotated

import typer

from crossattn.ui import options as opt
from crossattn.ui.output_places import picture_path
from crossattn.ui.show import print_json, progress_bar, warn


def replay(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="A PNG that crossattn made.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Where the model lies now." + opt.by_default("the recipe's")
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="cpu, cuda, cuda:1 or mps." + opt.by_default("the recipe's")
        ),
    ] = None,
    loras: opt.Loras = None,
    original: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Where the picture lies that it is an edit of."
            + opt.by_default("where the recipe says, or beside PICTURE"),
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Also write the new picture, to a .png file or into a folder.",
        ),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Draw a picture again from its recipe, and say whether the bytes agree.

    The exit code is 0 if every pixel is the same, and 1 if not.

    \b
    [dim]crossattn replay cat.png[/dim]
    """
    from crossattn.pipelines.picture import read_picture, read_recipe
    from crossattn.pipelines.replay import compare, drifted, with_original

    then = with_original(read_recipe(picture), picture, original)
    before = read_picture(picture)
    place = picture_path(output, picture.stem) if output else None
    asked = {"model": model, "device": device, "loras": loras}
    changes = {key: value for key, value in asked.items() if value}
    with progress_bar("drawing again") as follow:
        from crossattn.pipelines.export import write_picture
        from crossattn.pipelines.run import run

        result, _ = follow(run(then.replace(**changes)))
    for note in result.warnings:
        warn(note)
    files = [write_picture(result, place)] if place else []
    different, largest = compare(before, result.image)
    if as_json:
        print_json(
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
    elif before.size != result.image.size:
        then_size, now_size = (" × ".join(map(str, one.size)) for one in (before, result.image))
        print(
            f"{picture}: not the same, it has {then_size} pixels and its recipe draws {now_size}."
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
