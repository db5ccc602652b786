"""The command `crossattn explain`: how a prompt becomes tokens, and which word owns each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossattn.ui import options as opt
from crossattn.ui.flow_view import draw_flows, flow_json, show_flows
from crossattn.ui.show import add_row, print_json, progress_bar, show, table, warn

if TYPE_CHECKING:
    from crossattn.controls.support.alignment import Unit
    from crossattn.words import Prompt

MODES = {
    "replace": "replace: every word below looks where the words in its row look in the source; "
    "a new word looks where it likes.",
    "refine": "refine: words that both have look where they look in the source; the others look "
    "where they like.",
}


def explain(
    prompt: opt.Prompt,
    target: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="Words to edit the prompt into."),
    ] = None,
    model: opt.Model = "emoji-sd",
    revision: opt.Revision = None,
    config: opt.Config = None,
    flow: Annotated[
        bool,
        typer.Option(
            "--flow", help="Also show what each word is made of in the text encoder.", **opt.FLAG
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="For --flow, a .png file or a folder." + opt.by_default("the folder out"),
        ),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Show how a model reads a prompt, or what an edit of it links.

    Each text encoder cuts the prompt into tokens, and each token belongs to a word. Words beyond an
    encoder's limit are named: the model never reads them. With a second prompt, show which of its
    words an edit would take from which of the first's. With --flow, load the model and draw how
    much of each word's embedding came from the words before it, which is why the words' maps leak
    into each other.

    \b
    [dim]crossattn explain "a (small:1.5) cat in heavy snow"
    crossattn explain "a red car on grass" "a red boat on grass"
    crossattn explain "a red car on grass" --flow
    crossattn explain "a cat" --model stabilityai/sdxl-turbo --json[/dim]
    """
    from crossattn.pipelines.recipe import Recipe

    if flow and target is not None:
        raise typer.BadParameter("--flow is of one prompt; leave the second out.")
    if output and not flow:
        raise typer.BadParameter("--output is for the picture of --flow; give both, or neither.")
    recipe = Recipe(prompt=prompt, model=model, revision=revision, config=config)
    if target is not None:
        recipe.replace(edit={"prompt": target})
    with progress_bar("reading"):
        from crossattn.pipelines.load import load_tokenizers
        from crossattn.pipelines.result import positions
        from crossattn.pipelines.settle import read

        tokenizers = load_tokenizers(model, revision=revision, config=config)
        words, notes = read(prompt, tokenizers)
        after, more = (None, []) if target is None else read(target, tokenizers)
        drawn = draw_flows(words, model, revision, config, output) if flow else []
    for note in notes + more:
        warn(note)
    if after is not None:
        _explain_edit(words, after, as_json)
        return
    if as_json:
        print_json(
            {
                "encoders": [
                    {
                        "name": encoder.name,
                        "limit": encoder.limit,
                        "tokens": [
                            {"index": token.index, "text": token.text, "word": token.word}
                            for token in encoder.tokens
                        ],
                    }
                    for encoder in words.encodings
                ],
                "words": [
                    {
                        "text": word.text,
                        "occurrence": word.occurrence,
                        "tokens": positions(word.tokens),
                        "weight": word.weight,
                    }
                    for word in words.words
                ],
                "dropped": [word.text for word in words.dropped],
                **({"flow": flow_json(drawn)} if flow else {}),
            }
        )
        return
    for encoder in words.encodings:
        rows = table("index", "token", "id", "word", right=("index", "id"))
        rows.title = f"{encoder.name}: {len(encoder.tokens)} of {encoder.limit} tokens"
        for token in encoder.tokens:
            word = "" if token.word is None else words.words[token.word].text
            add_row(rows, token.index, token.text, token.id, word)
        show(rows)
    rows = table("word", "occurrence", "tokens", "weight", right=("occurrence", "weight"))
    for one in words.words:
        places = " ".join(map(str, positions(one.tokens))) or "dropped"
        add_row(rows, one.text, one.occurrence, places, f"{one.weight:g}")
    show(rows)
    show_flows(drawn)


def _explain_edit(source: "Prompt", target: "Prompt", as_json: bool) -> None:
    from crossattn.controls import align
    from crossattn.pipelines.edit import aligned
    from crossattn.pipelines.edit_recipe import EditRecipe

    chosen = aligned(source, target, EditRecipe(prompt=target.text))
    refined = align(source, target, "refine")
    pairs = {mode.mode: mode.pairs() for mode in (refined, chosen)}
    if as_json:
        print_json(
            {
                "mode": chosen.mode,
                "pairs": [
                    {
                        "target": word.text,
                        "source": [old.text for old, _ in linked],
                        "weights": [share for _, share in linked],
                    }
                    for word, linked in pairs[chosen.mode]
                    if linked
                ],
                "unmatched": [unit.text for unit in chosen.unmatched],
            }
        )
        return
    rows = table("target", "tokens", *pairs)
    for number, (word, _) in enumerate(pairs[chosen.mode]):
        cells = [_taken(linked[number][1]) for linked in pairs.values()]
        add_row(rows, word.text, " ".join(map(str, word.tokens)), *cells)
    show(rows)
    for mode in pairs:
        print(MODES[mode])
    print(f"An edit would {chosen.mode} by default.")
    if chosen.dropped:
        print(f"Nobody takes over from: {', '.join(unit.text for unit in chosen.dropped)}.")


def _taken(linked: "tuple[tuple[Unit, float], ...]") -> str:
    return ", ".join(f"{old.text} {share:.0%}" for old, share in linked) or "(its own)"
