"""The command `crossattn edit`: change words, keep the rest of the picture."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.inversion_methods import listed, usual_method
from crossattn.ui import options as opt
from crossattn.ui.option_values import parse_number
from crossattn.ui.output_places import OTHER_PICTURES, folder_path, picture_path
from crossattn.ui.show import add_row, named, print_json, progress_bar, show, table, warn
from crossattn.ui.windows import parse_window, parse_word_window

if TYPE_CHECKING:
    from crossattn.pipelines.edit import Edited

EDIT, PHOTO = "The edit", "A picture that exists"

PICTURES = (".png", *OTHER_PICTURES)


def parse_mask(text: str) -> tuple[str, ...]:
    """Read the file of a mask as a recipe has it; all black is nothing, and nothing will change."""
    from crossattn.pipelines.regions import picture_rows

    return picture_rows(Path(text).expanduser(), empty=True)


@opt.with_choices
def edit(
    chosen: dict[str, Any],
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="[PICTURE] SOURCE TARGET",
            help="What the picture shows, in words, and the same with the words changed. Of a "
            "picture that exists: its file first, then its caption.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A folder, or a .png file for the edited picture alone."
            + opt.by_default("a new folder in out"),
        ),
    ] = None,
    as_json: opt.Json = False,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="replace or refine." + opt.by_default("replace where words are swapped"),
            rich_help_panel=EDIT,
        ),
    ] = None,
    cross: Annotated[
        Any,
        typer.Option(
            parser=parse_window,
            metavar="SHARES",
            help="Steps in which words look where the source's did, 0.4 or 0.2-0.8 of all; fewer "
            "change more." + opt.by_default("0.4, in joint attention none"),
            rich_help_panel=EDIT,
        ),
    ] = None,
    share: Annotated[
        Any,
        typer.Option(
            parser=parse_window,
            metavar="SHARES",
            help="Steps in which pixels look where the source's did, which keeps the layout."
            + opt.by_default("none, in joint attention 0.6; less in photographs and places"),
            rich_help_panel=EDIT,
        ),
    ] = None,
    word: Annotated[
        list[Any] | None,
        typer.Option(
            parser=parse_word_window,
            metavar="WORD=SHARES",
            help="The same as --cross, for one word of the target. Repeatable.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    begin: Annotated[
        float | None,
        typer.Option(
            parser=parse_number,
            metavar="SHARE",
            help="Share of the steps that stay the source's." + opt.by_default("0"),
            rich_help_panel=EDIT,
        ),
    ] = None,
    blend: Annotated[
        bool,
        typer.Option(
            metavar="", help="Change the picture only where words change.", rich_help_panel=EDIT
        ),
    ] = True,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="Change it only where this word is. Repeatable.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    protect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD", help="Keep it where this word is. Repeatable.", rich_help_panel=EDIT
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            parser=parse_number,
            metavar="SHARE",
            help="How strong a word must be, against its strongest, to be there."
            + opt.by_default("0.3, by nouns 0.4"),
            rich_help_panel=EDIT,
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What tells where words change: words, or nouns, also those that changed words "
            "are said of." + opt.by_default("words, in joint attention nouns"),
            rich_help_panel=EDIT,
        ),
    ] = None,
    mask: Annotated[
        Any,
        typer.Option(
            parser=parse_mask,
            metavar="FILE",
            help="Change it only where this picture is white.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            parser=parse_number,
            metavar="SHARE",
            help="How far to go back to noise: 0.8 is --begin 0.2." + opt.by_default("1"),
            rich_help_panel=PHOTO,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{listed()}; unless told {usual_method(flow=False)}, for a flow "
            f"{usual_method(flow=True)}.",
            rich_help_panel=PHOTO,
        ),
    ] = None,
    put_back: Annotated[
        bool,
        typer.Option(
            metavar="",
            help="Put what changed back into the picture at its full size.",
            rich_help_panel=PHOTO,
        ),
    ] = True,
) -> None:
    """Change words of a prompt, or of a picture's caption, and keep the rest of the picture.

    Writes a folder with both pictures, the two side by side, the mask of the blend and the
    recipe, or with [bold]-o name.png[/bold] the edited picture alone, which carries its recipe.

    \b
    [dim]crossattn edit "a red car on grass" "a red boat on grass" --seed 7
    crossattn edit "a red car on grass" "a blue car on grass" --protect grass
    crossattn edit "a cat in the snow" "a cat in the (snow:1.8)" --share 0.4
    crossattn edit photo.jpg "a cat on grass" "a dog on grass"[/dim]
    """
    source, target, picture = _asked(texts, {"method": method, "put_back": put_back})
    if strength is not None:
        if begin is not None or not 0 < strength <= 1:
            raise typer.BadParameter(
                f"--strength {strength:g}: expected a share above 0, up to 1, and no --begin with "
                "it, which says the same."
            )
        begin = 1 - strength
    given = {"mode": mode, "cross": cross, "share": share, "begin": begin, "threshold": threshold}
    given |= {"by": by, "mask": mask}
    how: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    how |= {"words": dict(word or ()), "protect": protect or ()}
    how["blend"] = within or ([] if blend else None)
    recipe = opt.recipe_of(source, chosen, picture=picture, edit={"prompt": target, **how})
    alone = output is not None and output.suffix.lower() in (".png", *OTHER_PICTURES)
    with progress_bar("drawing") as follow:
        from crossattn.pipelines.edit import edit as edited_by
        from crossattn.pipelines.edit_export import write_edit
        from crossattn.pipelines.export import default_name, write_picture
        from crossattn.pipelines.kept_size import kept_nbytes
        from crossattn.pipelines.settle import pipeline_of

        name = default_name(recipe.replace(prompt=target, edit=None, regions=()))
        place = (picture_path if alone else folder_path)(output, name)
        pipe = pipeline_of(recipe)
        if picture is not None:
            mib = kept_nbytes(recipe, pipe) / 2**20
            warn(f"the run of the picture takes {mib:.1f} MiB while it is kept.")
        done, _ = follow(edited_by(recipe, pipe=pipe))
    files = [write_picture(done.result, place)] if alone else write_edit(done, place)
    _report(done, files, as_json)


def _asked(texts: list[str], photo: dict[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """The source's words, the target's, and the picture that exists, if one is given."""
    exists = bool(texts) and Path(texts[0]).suffix.lower() in PICTURES
    if len(texts) == 3:
        given = {name: value for name, value in photo.items() if value is not None}
        return texts[1], texts[2], {"path": texts[0], **given}
    if len(texts) > 3:
        raise typer.BadParameter(
            f"Got unexpected extra argument ({texts[3]}); put words that belong together in quotes."
        )
    if exists:
        raise typer.BadParameter(
            f"{texts[0][:60]} is a picture: give its caption behind it, and the same with words "
            "changed, each in quotes."
        )
    if len(texts) < 2:
        raise typer.BadParameter(
            f"{texts[0][:60]!r} alone is no edit: give the same with words changed behind it."
        )
    if photo["method"] is not None:
        raise typer.BadParameter(
            "--method is for a picture that exists: give its file before the words."
        )
    return texts[0], texts[1], None


def _report(done: "Edited", files: list[Path], as_json: bool) -> None:
    for note in dict.fromkeys((*done.source.result.warnings, *done.result.warnings)):
        warn(note)
    found = done.report
    if not found.changed:
        warn("no pixel changed; see with crossattn explain SOURCE TARGET what the edit links.")
    if as_json:
        shown = asdict(found)
        shown["mask"] = None if found.mask is None else float(found.mask.float().mean())
        print_json(
            {
                "image": str(files[0]),
                "recipe": done.result.recipe.model_dump(),
                "seconds": round(done.source.result.seconds + done.result.seconds, 3),
                "report": shown,
                "words": [asdict(word) for word in done.result.words],
                "files": [str(file) for file in files],
            }
        )
        return
    rows = table(
        "word", "took over from", "covered", "covers", "moved", right=("covered", "covers", "moved")
    )
    for word in found.words:
        covered = "" if word.covered is None else f"{word.covered:.1%}"
        moved = "new" if word.moved is None else f"{word.moved:.0%}"
        add_row(rows, named(word), " ".join(word.source), covered, f"{word.covers:.1%}", moved)
    show(rows)
    for one in found.touched:
        print(f"{one.control}: {one.layers} layers in {one.steps} steps")
    if found.inside is None or found.outside is None:
        print(f"{found.changed:.0%} of the pixels changed")
    else:
        print(
            f"{found.inside:.0%} of the pixels changed inside the mask, {found.outside:.0%} outside"
        )
    for file in files:
        print(file)
