"""The command `crossattn expand`: a text that stands for many prompts becomes a plan of them."""

import json
from pathlib import Path
from typing import Annotated

import typer

from crossattn.ui.show import warn


def expand(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="A prompt with choices, in quotes.")],
    wildcards: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the file colour.txt of __colour__ lies."),
    ] = None,
    some: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="NUMBER", help="So many by chance, rather than every one there is."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="NUMBER", help="Which of the chances, with --some.")
    ] = 0,
) -> None:
    """Print every prompt that a text with choices stands for, as a plan for a batch.

    {red|blue} is one of them, {3::red|blue} red three times as often, {2$$a|b|c} two of them,
    __colour__ a line of colour.txt, ${v={red|blue}} a variable for ${v}. Each row of the plan says
    what was chosen for it; how many there are is said first.

    \b
    [dim]crossattn expand "a {red|blue} {car|boat}" > plan.jsonl
    crossattn batch plan.jsonl[/dim]
    """
    from crossattn.pipelines.dynamic import DynamicPrompt
    from crossattn.pipelines.recipe import Recipe

    prompt = DynamicPrompt(text, wildcards)
    warn(f"The text stands for {prompt.count:,} {'prompt' if prompt.count == 1 else 'prompts'}.")
    for each in prompt.all() if some is None else prompt.some(some, seed):
        Recipe(prompt=each.prompt)
        axes = {f"choice {n}": taken for n, (_, taken) in enumerate(each.chosen, start=1)}
        row = {"prompt": each.prompt, **({"axes": axes} if axes else {})}
        print(json.dumps(row, ensure_ascii=False))
