"""YAML without its surprises: only what JSON has too, no tags, no aliases, no key twice."""

import re
from typing import Any

import yaml

from crossattn.errors import InputError

DEEPEST = 20

# The C parser is ten times as fast, and is there unless PyYAML was built without it.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Reads `no`, `012`, `1:30` and `2024-01-01` as the texts that they look like."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.MarkedYAMLError(
                problem=f"{twice[0]!r:.60} is there twice", problem_mark=node.start_mark
            )
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(0|[1-9]\d*)", list("-+0123456789")),
    ("float", r"[-+]?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first
    )


def load_yaml(text: str, where: str) -> Any:
    """Read one YAML document as JSON-like values; raises InputError saying where it goes wrong."""
    try:
        _check_shape(text, where)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{where}{line} is not YAML: {error.problem}; mend it.") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split(";")[0].split())[:200]
        raise InputError(f"{where} cannot be used as YAML: {reason}; mend it.") from None


def _check_shape(text: str, where: str) -> None:
    # The events come one by one; building values from them recurses, and would follow aliases.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        mark = event.start_mark
        line = f"{where}, line {mark.line + 1}" if mark else where
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(f"{line} has an alias or anchor; write the value out instead.")
        tag = getattr(event, "tag", None)
        if tag:
            raise InputError(f"{line} has the tag {tag!r:.60}; take it out.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise InputError(f"{line} is nested too deep; expected a list of recipe fields.")
