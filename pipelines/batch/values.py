"""What the rows of a plan may hold: values that JSON has too, whatever the file or script gave."""

import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from crossattn.errors import InputError

DEEPEST = 20
LARGEST = 2**63
MOST_BITS = 1023
"""Of a whole number; larger ones could not be fractions either."""


def plain(name: str, value: Any, depth: int = 0) -> Any:
    """Return a value as JSON has it: dates as ISO text, decimals and NumPy's numbers as numbers.

    `name` is the field, for messages. Raises InputError for a key that is not a text, half of a
    character, bytes and other things that JSON lacks.
    """
    if depth > DEEPEST:
        raise InputError(f"{_short(name)} is nested too deep; expected an object of fields.")
    if isinstance(value, str):
        return _whole_characters(name, value)
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        raise InputError(f"{_short(name)} must be a number, but has hundreds of digits.")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {
            _key(name, key): plain(f"{name}.{key}" if name else key, one, depth + 1)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(name, one, depth + 1) for one in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == int(value) else float(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return plain(name, value.tolist(), depth + 1)
    raise InputError(
        f"{_short(name)} must be a value that JSON has, but is {value!r:.60}; write it as text or "
        "a number."
    )


def finite(name: str, value: Any) -> None:
    """Raise InputError for a number, at any depth, that a table or a page could not hold."""
    if isinstance(value, dict):
        for key, one in value.items():
            finite(f"{name}.{key}", one)
    elif isinstance(value, list):
        for one in value:
            finite(name, one)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{_short(name)} must be a finite number, but is {value}; leave it out.")
    elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
        raise InputError(f"{_short(name)} must be a number of at most 64 bits; write it as text.")


def joined(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return two objects joined at every depth, `own` winning where both have a value."""
    both = {**shared, **own}
    for key in shared.keys() & own.keys():
        if isinstance(shared[key], dict) and isinstance(own[key], dict):
            both[key] = joined(shared[key], own[key])
    return both


def _key(name: str, key: Any) -> str:
    if not isinstance(key, str):
        raise InputError(
            f"{_short(name or 'The row')} has the key {key!r:.60}, which is not a text; put it in "
            "quotes."
        )
    return _whole_characters(name or "The row", key)


def _whole_characters(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{_short(name)} holds half of a character in {text!a:.60}; write it anew."
        ) from None
    return text


def _short(name: str) -> str:
    shown = name.encode(errors="backslashreplace").decode()
    return shown if len(shown) <= 80 else f"{shown[:76]} ..."
