"""The contact sheet of a batch: one page that needs no network, to look through and compare."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

_HIDDEN = ("picture", "source", "mask", "trace", "words", "error", "warnings", "row")
_REPORTED = ("report.changed", "report.inside", "report.outside")
_PARTS = ("contact_page.css", "contact_page.js")


def contact_page(title: str, rows: Sequence[dict[str, Any]], axes: Sequence[str]) -> bytes:
    """Return the page as HTML: pictures by relative path, sorted, filtered, laid out by fields.

    `rows` are those of `table_rows`; `axes` name the fields that a sweep runs along, slowest
    first. Fields that are the same for all are told once.
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    fields = [
        name
        for name in names
        if name not in _HIDDEN and (name in _REPORTED or not name.startswith("report."))
    ]
    varying = [name for name in fields if len({repr(row.get(name)) for row in rows}) > 1]
    first = rows[0]
    data = {
        "title": title,
        "axes": [axis for axis in axes if axis in varying],
        "fields": varying,
        "shared": {
            name: first[name]
            for name in fields
            if name not in varying and first.get(name) not in (None, "", "[]")
        },
        "rows": [
            {
                "of": [row.get(name) for name in varying],
                "picture": row["picture"],
                "source": row["source"],
                "mask": row["mask"],
                "error": row["error"],
                "notes": row["warnings"],
                "words": [[word, round(cover, 4)] for word, _, cover in row["words"]],
            }
            for row in rows
        ],
    }
    # No text of a plan can end the script element that it stands in.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("<", "\\u003c")
    folder = files(__package__)
    page = folder.joinpath("contact_page.html").read_text(encoding="utf-8")
    for part in _PARTS:
        page = page.replace(f"[[{part}]]", folder.joinpath(part).read_text(encoding="utf-8"))
    return page.replace("[[data]]", text).encode(errors="backslashreplace")
