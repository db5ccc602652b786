"""JSON without its surprises: no key twice, no number that JSON lacks."""

import json
from typing import Any

from crossattn.errors import InputError


def load_json(text: str, where: str) -> Any:
    """Read one JSON value, strictly: no key twice, no NaN; raises InputError saying where."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if "\n" in text else error.colno
        raise InputError(f"{where} is not JSON: {error.msg} at {place}; mend it.") from None
    except RecursionError:
        raise InputError(f"{where} is nested too deep; expected an object of fields.") from None
    except ValueError as error:
        raise InputError(f"{where} cannot be used: {str(error).split(';')[0]}.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"{twice!r:.60} is there twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON has")
