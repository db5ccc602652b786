"""A finished picture as the browser is told of it."""

from pathlib import Path
from typing import Any

from crossattn.pipelines.takeaway import batch_line, command_line, python_script
from crossattn.trace import Trace
from crossattn.ui.browser import stacks
from crossattn.ui.browser.shelf import Made, Shelf


def served(path: Path) -> dict[str, str]:
    """Where the browser gets a file of the shelf, bit for bit."""
    return {"url": f"gradio_api/file={path}", "name": path.name}


def describe(made: Made, shelf: Shelf) -> dict[str, Any]:
    """All that the page shows of a picture, with its maps over the whole run."""
    trace = shelf.trace(made)
    recipe = made.recipe
    return {
        "id": made.id,
        "title": title(made, shelf),
        "prompt": recipe.prompt,
        "width": recipe.width,
        "height": recipe.height,
        "seconds": made.seconds,
        "notes": list(made.notes),
        "picture": served(made.picture),
        "trace": served(made.trace_file),
        "before": _before(made, shelf),
        "report": _report(made, shelf),
        "words": [
            {
                "text": word.text,
                "occurrence": word.occurrence,
                "weight": word.weight,
                "tokens": list(word.tokens[0]),
            }
            for word in trace.prompt.words
        ],
        "tokens": _token_names(trace),
        "limit": trace.prompt.encodings[0].limit,
        "grid": stacks.grid(trace),
        "stack": stacks.whole(trace),
        **_depth(trace),
        "code": {
            "Python": python_script(recipe),
            "Command line": command_line(recipe),
            "JSONL": batch_line(recipe),
            "Recipe": recipe.to_json(),
        },
    }


def card(made: Made, shelf: Shelf) -> dict[str, Any]:
    """What the history shows of a picture."""
    return {
        "id": made.id,
        "title": title(made, shelf),
        "prompt": made.recipe.prompt,
        "seed": str(made.recipe.seed),
        "picture": served(made.picture),
    }


def title(made: Made, shelf: Shelf) -> str:
    """What is special about a picture, in a few words."""
    words = shelf.trace(made).prompt.words
    weighted = [f"{word.text} {word.weight:g}" for word in words if word.weight != 1]
    return ", ".join(weighted) or " ".join(word.text for word in words[-3:])


def _before(made: Made, shelf: Shelf) -> dict[str, Any] | None:
    if made.before is None:
        return None
    before = shelf.get(made.before)
    return {
        "picture": served(before.picture),
        "name": "Before",
        "against": "After",
        "sentence": f"Left: {title(before, shelf)}. Right: {title(made, shelf)}.",
    }


def _report(made: Made, shelf: Shelf) -> list[dict[str, Any]]:
    """What each weight did to its word's share among the words, where the plain picture is kept."""
    if made.before is None:
        return []
    before = shelf.get(made.before)
    words = shelf.trace(made).prompt.words
    if [word.text for word in before.words] != [word.text for word in made.words]:
        return []
    was, now = (sum(word.mass for word in one.words) or 1.0 for one in (before, made))
    return [
        {"text": word.text, "before": old.mass / was, "after": new.mass / now}
        for word, old, new in zip(words, before.words, made.words, strict=False)
        if word.weight != 1
    ]


def _token_names(trace: Trace) -> list[str]:
    tokens = trace.prompt.encodings[0].tokens
    return ["start", *(token.text for token in tokens[1:-1]), "end", "padding"]


def _depth(trace: Trace) -> dict[str, Any]:
    view = trace.view
    layout = view.record.layout
    grids: dict[str, tuple[int, int]] = {}
    for site in sorted(view.sites, key=lambda site: _order(site.place)):
        grids.setdefault(site.place, view.grid(site))
    return {
        "steps": layout.steps,
        "layers": [[place, f"{place}, {h} × {w}"] for place, (h, w) in grids.items()],
        "resolutions": [
            [max(size), f"{size[0]} × {size[1]}"] for size in dict.fromkeys(grids.values())
        ],
        "heads": min(site.heads for site in view.sites) if layout.heads else 0,
    }


def _order(place: str) -> tuple[int, str]:
    side, _, index = place.partition(".")
    return ("down", "mid", "up").index(side), index
