"""The command `crossattn explain`: how a prompt becomes tokens, and which word owns each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossattn.ui import options as opt
from crossattn.ui.flow_view import draw_flows, flow_json, show_flows
from crossattn.ui.show import add_row, print_json, progress_bar, show, table, warn

if TYPE_CHECKING:
    from crossattn.controls.support.alignment import Unit
    from crossattn.words import Prompt

STEPS = 100
"""The run that is asked when words change: each step is a hundredth of it."""

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
    dialect: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose marks are read: attention, attention-normalised, a1111, comfy, compel or "
            "difference." + opt.by_default("compel"),
        ),
    ] = None,
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

    Each text encoder cuts the prompt into tokens, and each token belongs to a word; a long prompt
    is read in several stretches. Every mark is shown with what it does in the dialect, and each of
    the prompts that a run would be drawn by. With a second prompt, show which of its words an edit
    would take from which of the first's. With --flow, load the model and draw how much of each
    word's embedding came from the words before it, which is why the words' maps leak into each
    other.

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
    where: dict[str, Any] = {"model": model, "revision": revision, "config": config}
    recipe = Recipe.model_validate({"prompt": prompt, "dialect": dialect, **where})
    if target is not None or flow:
        recipe.replace(edit={"prompt": prompt if target is None else target})
    with progress_bar("reading"):
        from crossattn.pipelines.settle import read
        from crossattn.pipelines.tokenizers import load_tokenizers
        from crossattn.prompt_schedule import plan
        from crossattn.whole_prompt import marks

        tokenizers = load_tokenizers(model, revision=revision, config=config)
        read_by = [
            (part, steps, *read(part.source, tokenizers, recipe.notation))
            for said, steps in plan(prompt, STEPS)
            for part in said
        ]
        words = read_by[0][2]
        notes = list(dict.fromkeys(note for *_, found in read_by for note in found))
        after, more = None, list[str]()
        if target is not None:
            after, more = read(target, tokenizers, recipe.notation)
        drawn = draw_flows(words, model, revision, config, output) if flow else []
    for note in notes + more:
        warn(note)
    if after is not None:
        _explain_edit(words, after, as_json)
        return
    if as_json:
        print_json(
            {
                **_prompt_json(words),
                "marks": [
                    {"text": mark.text, "does": mark.does}
                    for mark in marks(prompt, recipe.notation)
                ],
                "passages": [
                    {
                        "text": one.text.strip(),
                        "weight": part.weight,
                        "share": round(len(steps) / STEPS, 4),
                        **(_prompt_json(one) if len(read_by) > 1 else {}),
                    }
                    for part, steps, one, _ in read_by
                ],
                **({"flow": flow_json(drawn)} if flow else {}),
            }
        )
        return
    if found := marks(prompt, recipe.notation):
        rows = table("what stands there", "what it does")
        for mark in found:
            add_row(rows, mark.text, mark.does)
        show(rows)
    for part, steps, one, _ in read_by:
        if len(read_by) > 1:
            weight = "" if part.weight == 1 else f", weight {part.weight:g}"
            print(f"\n{one.text.strip()} ({len(steps) / STEPS:.0%} of the run{weight})")
        _show_prompt(one)
    show_flows(drawn)


def _prompt_json(prompt: "Prompt") -> dict[str, Any]:
    from crossattn.pipelines.result import positions

    return {
        "encoders": [
            {
                "name": encoder.name,
                "limit": encoder.limit,
                "stretches": len(encoder.stretches),
                "tokens": [
                    {"index": token.index, "text": token.text, "word": token.word}
                    for token in encoder.tokens
                ],
            }
            for encoder in prompt.encodings
        ],
        "words": [
            {
                "text": word.text,
                "occurrence": word.occurrence,
                "tokens": positions(word.tokens),
                "weight": word.weight,
            }
            for word in prompt.words
        ],
        "dropped": [word.text for word in prompt.dropped],
    }


def _show_prompt(prompt: "Prompt") -> None:
    from crossattn.pipelines.result import positions

    for encoder in prompt.encodings:
        rows = table("index", "token", "id", "word", right=("index", "id"))
        count = len(encoder.stretches)
        within = f" in {count} stretches" if count > 1 else ""
        rows.title = f"{encoder.name}: {len(encoder.tokens)} of {encoder.limit} tokens{within}"
        for token in encoder.tokens:
            word = "" if token.word is None else prompt.words[token.word].text
            add_row(rows, token.index, token.text, token.id, word)
        show(rows)
    rows = table("word", "occurrence", "tokens", "weight", right=("occurrence", "weight"))
    for one in prompt.words:
        places = " ".join(map(str, positions(one.tokens))) or "dropped"
        add_row(rows, one.text, one.occurrence, places, f"{one.weight:g}")
    show(rows)


def _explain_edit(source: "Prompt", target: "Prompt", as_json: bool) -> None:
    from crossattn.controls import align
    from crossattn.pipelines.edit_choices import aligned
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
