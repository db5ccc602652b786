"""A finished picture as the browser is told of it."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from torch import Tensor

from crossattn.coverage import COVERED, WEAK, coverage
from crossattn.dialects import Dialect
from crossattn.pipelines.export import default_name
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import unexplained
from crossattn.pipelines.snippets import batch_line, command_line, python_script
from crossattn.trace import Trace
from crossattn.ui.browser import stacks
from crossattn.ui.browser.fields import fields_of, without_weights, word_by_word
from crossattn.ui.browser.model_settings import settings_of
from crossattn.ui.browser.shelf import Made, Shelf
from crossattn.whole_prompt import longest_prompt
from crossattn.words import Word, read_prompt

EDIT_FIELDS = ("cross", "share", "blend", "protect")
"""What the page sets of a recipe's edit, beside the target."""


MASK_SIDE = 64
"""Rows or columns, at most, in which an edit's mask is told."""


def served(path: Path) -> dict[str, str]:
    """Where the browser gets a file of the shelf, bit for bit."""
    return {"url": f"gradio_api/file={quote(str(path))}", "name": path.name}


def describe(made: Made, shelf: Shelf, also: Iterable[Made] = ()) -> dict[str, Any]:
    """All that the page shows of a picture, with its maps over the whole run.

    `also` are pictures that were made on the way, for the history.
    """
    trace = shelf.trace(made)
    recipe = made.recipe
    held = (one.model_dump(mode="json") for one in recipe.regions)
    source = [read_prompt(recipe.prompt, dialect=recipe.notation)] if recipe.edit else []
    return {
        "id": made.id,
        "cards": [card(one) for one in (*also, made)],
        "stem": _stem(recipe),
        **_shape(made),
        "seconds": made.seconds,
        "notes": list(made.notes),
        "picture": served(made.picture),
        "trace": served(made.trace_file),
        "before": _before(made, shelf),
        "report": list(_weighed(made, shelf)),
        "edit": _edited(made),
        "fields": fields_of(recipe),
        "ownDialect": settings_of(recipe.model).dialect,
        "regions": list(word_by_word(held, *source, trace.prompt)),
        "excite": recipe.excite,
        "source": [
            word.text for word in longest_prompt(recipe.prompt, recipe.notation, recipe.steps).words
        ],
        **maps_of(trace),
        "code": {
            "Python": python_script(made.told),
            "Command line": command_line(made.told),
            "JSONL": batch_line(made.told),
            "Recipe": made.told.to_json(),
        },
    }


def _shape(made: Made) -> dict[str, Any]:
    """The size of a picture, and whether it is made of one that somebody brought along."""
    recipe, size = made.recipe, (made.recipe.width, made.recipe.height)
    if recipe.picture is not None and recipe.picture.put_back:
        size = read_picture(made.picture).size
    return {"width": size[0], "height": size[1], "ofOwn": recipe.picture is not None}


def maps_of(trace: Trace) -> dict[str, Any]:
    """The words of a picture with their maps over the whole run, and what can be looked into."""
    seen = stacks.joined(trace)
    return {
        "prompt": trace.prompt.raw,
        "words": [
            {
                "text": word.text,
                "name": trace.prompt.name_of(word),
                "occurrence": word.occurrence,
                "weight": word.weight,
                "tokens": list(word.tokens[0]),
                "cover": _cover(seen, word),
            }
            for word in trace.prompt.words
        ],
        "tokens": _token_names(trace),
        "limit": trace.prompt.encodings[0].limit,
        "grid": stacks.grid(trace),
        "covered": COVERED * trace.within,
        "weak": WEAK * trace.within,
        "rest": unexplained(trace),
        "stack": stacks.whole(trace),
        **_depth(trace),
    }


def _stem(recipe: Recipe) -> str:
    """What files of a picture are called: by what it is of, an edit's by its target."""
    shown = recipe.replace(prompt=recipe.edit.prompt, edit=None) if recipe.edit else recipe
    return default_name(shown.replace(regions=()))


def card(made: Made) -> dict[str, Any]:
    """What the history shows of a picture."""
    return {
        "id": made.id,
        "title": title(made),
        "prompt": made.recipe.prompt,
        "seed": str(made.recipe.seed),
        "picture": served(made.picture),
        "recipe": made.told.to_json(),
    }


_SMALL = re.compile(
    "an?|and|at|front|in|is|left|next|of|on|over|right|the|there|to|under", re.IGNORECASE
)
"""Words that a title does without."""


def title(made: Made) -> str:
    """What is special about a picture, in a few words."""
    edit = made.recipe.edit
    if edit is not None:
        return f"edit: {swapped(made.recipe.prompt, edit.prompt, made.recipe.notation)}"
    # Read anew: the traces of a whole history are not kept in memory.
    recipe = made.recipe
    words = longest_prompt(recipe.prompt, recipe.notation, recipe.steps).words
    if made.recipe.regions:
        return f"held: {', '.join(one.word.replace('#', ' ') for one in made.recipe.regions)}"
    weighted = [f"{word.text} {word.weight:g}" for word in words if word.weight != 1]
    named = [word.text for word in words if not _SMALL.fullmatch(word.text)]
    return ", ".join(weighted) or " ".join(named or [word.text for word in words])


def swapped(source: str, target: str, dialect: Dialect) -> str:
    """The words that an edit puts in the place of others, in a few words."""
    read = (read_prompt(text, dialect=dialect) for text in (source, target))
    before, after = ([word.text for word in prompt.words] for prompt in read)
    gone = " ".join(word for word in before if word not in after)
    new = " ".join(word for word in after if word not in before)
    return " → ".join(filter(None, (gone, new)))


def _before(made: Made, shelf: Shelf) -> dict[str, Any] | None:
    before = shelf.find(made.before)
    if before is None:
        return None
    return {
        "picture": served(before.picture),
        "name": "Source" if made.report else "Before",
        "against": "Edit" if made.report else "After",
        "sentence": f"Left of the line: {title(before)}; right of it: {title(made)}.",
    }


def _cover(trace: Trace, word: Word) -> float:
    """How much of the picture a word covers; words that fell off the prompt cover none."""
    if not word.tokens[0]:
        return 0.0
    return round(coverage(trace.word(word.text, word.occurrence)), 5)


def _weighed(made: Made, shelf: Shelf) -> Iterator[dict[str, Any]]:
    """What each weight did to how much its word covers; before is None without the plain one."""
    held = shelf.kept([made.before] if made.before else [])
    words = [word for word in made.words if word.weight != 1]
    if not words:
        return
    trace = stacks.joined(shelf.trace(made))
    plain = made.recipe.replace(
        prompt=without_weights(made.recipe.prompt, made.recipe.notation), regions=()
    )
    before = [stacks.joined(shelf.trace(one)) for one in held if one.recipe == plain]
    for word in words:
        now, *then = (coverage(one.word(word.text, word.occurrence)) for one in (trace, *before))
        yield {"text": word.text, "before": then[0] if then else None, "after": now}


def _edited(made: Made) -> dict[str, Any] | None:
    """What an edit did: (layers, steps) of each control, and the pixels that changed."""
    report = made.report
    if report is None or made.recipe.edit is None:
        return None
    mask = report.mask
    return {
        "plan": made.recipe.edit.model_dump(mode="json", include=set(EDIT_FIELDS)),
        "touched": {one.control: [one.layers, one.steps] for one in report.touched},
        "changed": report.changed,
        "inside": report.inside,
        "outside": report.outside,
        "mask": None if mask is None else _rows(mask),
    }


def _rows(mask: Tensor) -> list[str]:
    """A mask (height, width) as rows of "#" and ".", small enough to travel."""
    stride = math.ceil(max(mask.shape) / MASK_SIDE)
    return ["".join("#" if one else "." for one in row) for row in mask[::stride, ::stride]]


def _token_names(trace: Trace) -> list[str]:
    tokens = trace.prompt.encodings[0].tokens
    return ["start", *(token.text for token in tokens[1:-1]), "end", "padding"]


def _depth(trace: Trace) -> dict[str, Any]:
    view = trace.view
    layout = view.record.layout
    grids: dict[str, tuple[int, int]] = {}
    for site in sorted(view.sites, key=lambda site: _order(site.block)):
        grids.setdefault(site.block, view.grid(site))
    return {
        "steps": layout.steps,
        "layers": [[place, f"{place}, {h} × {w}"] for place, (h, w) in grids.items()],
        "resolutions": [
            [max(size), f"{size[0]} × {size[1]}"] for size in dict.fromkeys(grids.values())
        ],
        "heads": min(site.heads for site in view.sites) if layout.heads else 0,
    }


def _order(block: str) -> tuple[int, int]:
    """Where a block stands: a UNet's go down, mid, up; a transformer's by their numbers."""
    side, _, index = block.partition(".")
    sides = ("down", "mid", "up")
    return sides.index(side) if side in sides else 0, int(index) if index.isdecimal() else 0
