"""The commands `generate`, `heatmap` and `words`: a picture, and its words in it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.ui import options as opt
from crossattn.ui.output_places import folder_path, picture_path
from crossattn.ui.show import (
    add_row,
    named,
    print_json,
    progress_bar,
    show,
    table,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossattn.pipelines.result import Result, WordShare


@opt.with_choices
def generate(
    chosen: dict[str, Any],
    prompt: opt.Prompt,
    output: opt.PictureOutput = None,
    as_json: opt.Json = False,
) -> None:
    """Draw a picture, and say how much of it each word covers.

    The picture is a PNG that carries its recipe, so that [bold]crossattn replay[/bold] can draw it
    again. No file is ever overwritten: the next one gets a number.

    \b
    [dim]crossattn generate "a cat on a beach"
    crossattn generate "a (small:1.5) cat on a beach" --seed 7 --steps 40 -o cat.png
    crossattn generate "a red car on grass" --region "red car=0,0.5,0.5,1"
    crossattn generate "a cat" --model stabilityai/sdxl-turbo --size 512x768[/dim]
    """
    recipe = opt.recipe_of(prompt, chosen)
    with progress_bar("drawing") as follow:
        from crossattn.pipelines.export import default_name, write_picture
        from crossattn.pipelines.run import run

        path = picture_path(output, default_name(recipe))
        result, _ = follow(run(recipe))
    _report(result, [write_picture(result, path)], as_json)


@opt.with_choices
def heatmap(
    chosen: dict[str, Any],
    prompt: opt.Prompt,
    output: opt.FolderOutput = None,
    as_json: opt.Json = False,
) -> None:
    """Draw a picture, and show which words attend where.

    Writes a folder: the picture, the picture under each word's heat map, a contact sheet of them
    all, a film of them over the steps, the trace (safetensors) and the recipe (JSON).

    \b
    [dim]crossattn heatmap "a red car left of a blue balloon on grass"
    crossattn heatmap "a cat on a beach" --seed 7 -o cat[/dim]
    """
    recipe = opt.recipe_of(prompt, chosen)
    with progress_bar("drawing") as follow:
        from crossattn.pipelines.export import FILM_FRAMES, default_name, write_heatmaps
        from crossattn.pipelines.run import run

        folder = folder_path(output, default_name(recipe))
        result, seen = follow(run(recipe, bins=FILM_FRAMES))
        files = write_heatmaps(result, [event.latents for event in seen], folder)
    _report(result, files, as_json)


@opt.with_choices
def words(
    chosen: dict[str, Any],
    picture: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="The file of a picture that exists.")
    ],
    caption: Annotated[
        str | None,
        typer.Argument(
            metavar="[CAPTION]",
            help="What it shows, in words and in quotes; of a picture like those that emoji-sd "
            "draws it may be left out, and is proposed.",
            show_default=False,
        ),
    ] = None,
    output: opt.FolderOutput = None,
    as_json: opt.Json = False,
) -> None:
    """Find the words of a caption in a picture that exists.

    Writes a folder: the picture as the model saw it, the picture under each word's heat map, a
    contact sheet of them all, the trace (safetensors) and the recipe (JSON). The picture may have
    any size; it is looked at in its own proportion and in as many pixels as the model draws.

    \b
    [dim]crossattn words photo.jpg "a cat on a beach"
    crossattn words emoji.png[/dim]
    """
    if caption is None:
        from crossattn.pipelines.emoji_sd.proposed_caption import propose_caption
        from crossattn.pipelines.picture import read_picture

        caption = propose_caption(read_picture(picture))
        warn(f'no caption was given, and this one is proposed: "{caption}".')
    recipe = opt.recipe_of(caption, chosen, picture={"path": str(picture)})
    with progress_bar("looking") as follow:
        from crossattn.pipelines.export import default_name, write_heatmaps
        from crossattn.pipelines.run import run

        folder = folder_path(output, default_name(recipe))
        result, _ = follow(run(recipe))
        files = write_heatmaps(result, [], folder)
    _report(result, files, as_json)


def _as_json(word: "WordShare") -> dict[str, Any]:
    weighting = ("weight", "had_cover", "had") if word.had is None else ()
    return {key: value for key, value in asdict(word).items() if key not in weighting}


def _report(result: "Result", files: list[Path], as_json: bool) -> None:
    from crossattn.pipelines.draw import steps_said

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
                "negative_words": [_as_json(word) for word in result.negative_words],
                "passages": [
                    {
                        "text": part.text,
                        "steps": part.steps,
                        "weight": part.weight,
                        "words": [_as_json(word) for word in part.words],
                    }
                    for part in result.passages
                ],
                "files": [str(file) for file in files],
            }
        )
        return
    from crossattn.coverage import MEANING
    from crossattn.pipelines.result import unexplained

    if len(result.passages) > 1:
        for part in result.passages:
            weight = f", weight {part.weight:g}" if part.weight != 1 else ""
            print(f"{part.text.strip()}: {steps_said(part.steps)}{weight}")
            _show_words(part.words)
    else:
        _show_words(result.words)
    if result.negative_words:
        print("negative prompt")
        _show_words(result.negative_words)
    print(MEANING)
    print(unexplained(result.trace))
    folders = dict.fromkeys(file.parent for file in files if file.parent.name == "words")
    for file in (*(file for file in files if file.parent not in folders), *folders):
        print(file)
    recipe = result.recipe
    steps = "1 step" if recipe.steps == 1 else f"{recipe.steps} steps"
    drawn = f"{steps}, " if recipe.picture is None else ""
    print(f"seed {recipe.seed}, {drawn}{result.seconds:.1f} s")


def _show_words(words: "Sequence[WordShare]") -> None:
    """Print the words of one prompt, with what each covers and would without its weight."""
    weighted = any(word.had_cover is not None for word in words)
    more = ("weight", "unweighted") if weighted else ()
    rows = table("word", *more, "covers", "", right=(*more, "covers"))
    most = max((word.cover for word in words), default=1) or 1
    for word in words:
        bar = "━" * round(24 * word.cover / most)
        had = () if word.had_cover is None else (f"{word.weight:g}", f"{word.had_cover:.1%}")
        add_row(rows, named(word), *had, f"{word.cover:.1%}", bar)
    show(rows)
