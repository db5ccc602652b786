"""The options that commands share, and how they become a recipe."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossattn.pipelines.recipe import Recipe


def parse_size(text: str) -> tuple[int, int]:
    """Read a size, `128` or `512x768` (width x height), as (width, height) in pixels."""
    found = re.fullmatch(r"(\d{1,6})(?:[xX×](\d{1,6}))?", text.strip(), re.ASCII)
    if not found:
        raise typer.BadParameter(
            f"{text[:40]!r} is no size: give one side, 128, or width x height, 512x768."
        )
    width = int(found[1])
    return width, int(found[2] or width)


def parse_region(text: str) -> dict[str, Any]:
    """Read a region, `car=0,0,0.5,1` or `car=mask.png`, as a recipe has it."""
    from crossattn.pipelines.regions import box_rows, picture_rows

    word, given, place = text.partition("=")
    if not (word.strip() and given and place):
        raise typer.BadParameter(
            f"{text[:40]!r} is no region: give a word, =, and left,top,right,bottom in shares of "
            "the picture or the file of a mask, as in car=0,0,0.5,1."
        )
    try:
        left, top, right, bottom = (float(edge) for edge in place.split(","))
    except ValueError:
        return {"word": word, "mask": picture_rows(Path(place))}
    return {"word": word, "mask": box_rows(left, top, right, bottom)}


Prompt = Annotated[str, typer.Argument(help="What to draw, in words.", show_default=False)]
Model = Annotated[
    str,
    typer.Option(
        help="emoji-sd (ships), a folder, a hub id (owner/name) or a .safetensors file.",
    ),
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub id.")]
Config = Annotated[
    str | None, typer.Option(help="Folder with the configuration of a .safetensors file.")
]
Negative = Annotated[str, typer.Option(help="What to keep out, in words.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Which picture of many: 0 to 2^63 - 1.")]
Steps = Annotated[
    int | None, typer.Option(help="Denoising steps, 1 to 1000.", show_default="the model's own")
]
Guidance = Annotated[
    float | None,
    typer.Option(help="How closely to follow the words, 0 to 50.", show_default="the model's own"),
]
Size = Annotated[
    Any,
    typer.Option(
        parser=parse_size,
        metavar="SIDE|WIDTHxHEIGHT",
        help="Size in pixels, each side a multiple of 8.",
        show_default="the model's own",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="ddim, dpm++, euler, euler-a, heun or lcm.", show_default="the model's own"),
]
Regions = Annotated[
    list[Any] | None,
    typer.Option(
        "--region",
        parser=parse_region,
        metavar="WORD=PLACE",
        help="Hold a word to a place: left,top,right,bottom in shares of the picture, or the file "
        "of a mask, white inside. Repeatable.",
    ),
]
Dialect = Annotated[
    str,
    typer.Option(
        help="What (cat:1.3) means: attention, attention-normalised, a1111, comfy or compel."
    ),
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="the best there is")
]
Dtype = Annotated[str, typer.Option(help="float32, bfloat16 or float16.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]


def picture_path(output: Path | None, name: str) -> Path:
    """The .png that --output names, or `name`.png in the folder that it names (out if none)."""
    where = output or Path("out")
    return where if where.suffix.lower() == ".png" else where / f"{name}.png"


def recipe_of(size: tuple[int, int] | None, **fields: Any) -> "Recipe":
    """Build a recipe from the options of a command; raises RecipeError if one does not do."""
    from crossattn.pipelines.recipe import Recipe

    width, height = size or (None, None)
    return Recipe(**fields, width=width, height=height)
