"""The options that commands share, said once: what they take, and how they become a recipe."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.ui.option_values import parse_number, parse_region, parse_size, parse_whole

if TYPE_CHECKING:
    from crossattn.pipelines.recipe import Recipe

PICTURE, MODEL = "The picture", "The model"
"""The parts of a --help that options stand in."""


def by_default(text: str) -> str:
    """How --help tells what an option that is not given stands for, where Typer cannot."""
    return f" [dim]\\[default: {text}][/dim]"


FLAG: dict[str, Any] = {"metavar": "", "show_default": False}
"""How an option without a value is shown."""


Prompt = Annotated[
    str,
    typer.Argument(metavar="PROMPT", help="What to draw, in words and in quotes."),
]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="emoji-sd or emoji-sd3 (they ship), a folder, a hub id (owner/name) or a "
        ".safetensors file.",
        rich_help_panel=MODEL,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Branch, tag or commit of a hub id.", rich_help_panel=MODEL),
]
Config = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="The configuration of a .safetensors file: a diffusers folder of its kind.",
        rich_help_panel=MODEL,
    ),
]
Loras = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        envvar="CROSSATTN_LORAS",
        help="Where the LoRAs lie that <lora:name:0.8> in a prompt names (.safetensors).",
        rich_help_panel=MODEL,
    ),
]
Embeddings = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        envvar="CROSSATTN_EMBEDDINGS",
        help="Where the textual inversions lie that words name (.safetensors).",
        rich_help_panel=MODEL,
    ),
]
PictureOutput = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="A .png file or a folder." + by_default("the folder out"),
    ),
]
FolderOutput = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FOLDER", help="A folder." + by_default("a new one in out")
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.", **FLAG)]


def choices(
    seed: Annotated[
        int,
        typer.Option(
            parser=parse_whole,
            metavar="NUMBER",
            help="Which picture of many, 0 to 2^63 - 1.",
            rich_help_panel=PICTURE,
        ),
    ] = 0,
    steps: Annotated[
        int | None,
        typer.Option(
            parser=parse_whole,
            metavar="NUMBER",
            help="Denoising steps, 1 to 1000." + by_default("the model's own"),
            rich_help_panel=PICTURE,
        ),
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(
            parser=parse_number,
            metavar="NUMBER",
            help="How closely to follow the words, 0 to 50." + by_default("the model's own"),
            rich_help_panel=PICTURE,
        ),
    ] = None,
    size: Annotated[
        Any,
        typer.Option(
            parser=parse_size,
            metavar="SIZE",
            help="Pixels, 128 or 512x768 (width x height), in multiples of 8."
            + by_default("the model's own"),
            rich_help_panel=PICTURE,
        ),
    ] = None,
    negative_prompt: Annotated[
        str,
        typer.Option(
            metavar="WORDS",
            help="What to keep out.",
            show_default=False,
            rich_help_panel=PICTURE,
        ),
    ] = "",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="ddim, dpm++, euler, euler-a, heun or lcm." + by_default("the model's own"),
            rich_help_panel=PICTURE,
        ),
    ] = None,
    region: Annotated[
        list[Any] | None,
        typer.Option(
            parser=parse_region,
            metavar="WORD=PLACE",
            help="Hold a word to a place: left,top,right,bottom in shares of the picture, or the "
            "file of a mask, white inside. Repeatable.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    excite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="Make sure that a word is there, in two to six times the time. Repeatable.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    every_word: Annotated[
        bool,
        typer.Option(
            "--every-word",
            help="The same for every thing that the prompt names.",
            rich_help_panel=PICTURE,
            **FLAG,
        ),
    ] = False,
    dialect: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What (cat:1.3) means: attention, attention-normalised, a1111, comfy, compel or "
            "difference." + by_default("compel, in joint attention difference"),
            rich_help_panel=PICTURE,
        ),
    ] = None,
    model: Model = "emoji-sd",
    revision: Revision = None,
    config: Config = None,
    loras: Loras = None,
    embeddings: Embeddings = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="cpu, cuda, cuda:1 or mps." + by_default("the best there is"),
            rich_help_panel=MODEL,
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(metavar="NAME", help="float32, bfloat16 or float16.", rich_help_panel=MODEL),
    ] = "float32",
    threads: Annotated[
        int | None,
        typer.Option(
            parser=parse_whole,
            metavar="NUMBER",
            help="CPU threads, which decide the last bits of a picture."
            + by_default("1 for emoji-sd, else the machine's"),
            rich_help_panel=MODEL,
        ),
    ] = None,
) -> dict[str, Any]:
    """Return the fields of a recipe, but the prompt, that a command's options choose."""
    if excite and every_word:
        raise typer.BadParameter("--every-word means all of them: leave it or --excite out.")
    width, height = size or (None, None)
    return {
        "seed": seed,
        "steps": steps,
        "guidance": guidance,
        "width": width,
        "height": height,
        "negative_prompt": negative_prompt,
        "scheduler": scheduler,
        "regions": region or (),
        "excite": () if every_word else excite or None,
        "dialect": dialect,
        "model": model,
        "revision": revision,
        "config": config,
        "loras": loras,
        "embeddings": embeddings,
        "device": device,
        "dtype": dtype,
        "threads": threads,
    }


def with_choices(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `choices`, and what they choose as its argument `chosen`."""
    shared = signature(choices).parameters
    own = {key: one for key, one in signature(command).parameters.items() if key != "chosen"}

    @wraps(command)
    def called(**options: Any) -> None:
        chosen = choices(**{key: options.pop(key) for key in shared})
        command(chosen=chosen, **options)

    # Typer reads both; with keywords alone the order of those with and without a default is free.
    taken = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in (*own.values(), *shared.values())]
    called.__signature__ = Signature(taken)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in taken}
    return called


def recipe_of(prompt: str, chosen: dict[str, Any], **more: Any) -> "Recipe":
    """Build a recipe from a prompt and what `choices` gave.

    Raises RecipeError if it does not do, also for a file that it names and that is not there,
    WordNotFoundError for a word that no prompt has.
    """
    from crossattn.pipelines.adapter_files import adapter_files
    from crossattn.pipelines.named_words import check_words
    from crossattn.pipelines.recipe import Recipe

    recipe = Recipe(prompt=prompt, **chosen, **more)
    check_words(recipe)
    adapter_files(recipe)
    return recipe
