"""The command `crossattn import`: the recipe of a picture that another program made."""

from pathlib import Path
from typing import Annotated

import typer

from crossattn.ui import options as opt
from crossattn.ui.show import print_json, warn


def import_(
    picture: Annotated[
        Path,
        typer.Argument(metavar="PICTURE", help="A picture by AUTOMATIC1111, InvokeAI or ComfyUI."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Where its model lies here." + opt.by_default("emoji-sd")
        ),
    ] = None,
    loras: opt.Loras = None,
) -> None:
    """Print the recipe of a picture that another program made, and say what is not in it.

    The recipe is JSON, and a plan of one row for a batch. Weights keep the meaning that they have
    in that program; LoRAs are asked for in --loras; other samplers and the like are told and left
    out.

    \b
    [dim]crossattn import picture.png --model owner/name > recipe.json
    crossattn batch recipe.json[/dim]
    """
    from crossattn.pipelines.takeover import take_over

    taken = take_over(picture, model, loras)
    for left in taken.left:
        warn(f"Not taken over from {taken.program}: {left}.")
    print_json(taken.recipe.model_dump(exclude_defaults=True) | {"dialect": taken.recipe.dialect})
