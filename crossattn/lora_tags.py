"""LoRAs asked for in a prompt, `<lora:name:0.8>`: no words, but files that a run loads by name.

One number is the strength in the denoiser and in the text encoders. Of two, the text encoders' is
the first in AUTOMATIC1111 (`<lora:name:te:unet>`), and the last in ComfyUI's notation; `te=0.5` and
`unet=0.8` say it by name in either.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from crossattn.dialects import Dialect
from crossattn.errors import PromptError
from crossattn.word_spans import quoted

STRONGEST = 10.0
"""Strengths run from minus this to this."""

TAG = re.compile(r"\\.|<lora:([^<>]*)>", re.DOTALL)
"""A tag, its inside as a group; or an escaped character, which begins none."""

_OPEN = re.compile(r"(?<!\\)<lora:[^<>]{0,40}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_WRITE = "write <lora:name:0.8>"


@dataclass(frozen=True)
class LoraTag:
    """A LoRA, and how strongly it acts on the denoiser and on the text encoders.

    `at` is its place in the text that is left without it.
    """

    name: str
    denoiser: float
    text: float
    at: int = 0

    def __str__(self) -> str:
        """As every dialect reads it."""
        if self.denoiser == self.text:
            return f"<lora:{self.name}:{self.denoiser:g}>"
        return f"<lora:{self.name}:unet={self.denoiser:g}:te={self.text:g}>"

    @property
    def does(self) -> str:
        """What it does, for people."""
        if self.denoiser == self.text:
            return f"loads the LoRA {quoted(self.name)}, × {self.denoiser:g}"
        return (
            f"loads the LoRA {quoted(self.name)}, × {self.denoiser:g} in the denoiser and "
            f"× {self.text:g} in the text encoder"
        )


def find_tags(source: str, dialect: Dialect) -> Iterator[tuple[int, int, LoraTag]]:
    """Find the LoRAs of a prompt, each with its first character and the one past its last.

    Raises PromptError for one without an end, a name, or numbers that are numbers.
    """
    if "<lora:" not in source:
        return
    done = 0
    for found in TAG.finditer(source):
        if found[1] is not None:
            _refuse_open(source, done, found.start())
            yield found.start(), found.end(), _read(found.group(), found[1], dialect)
            done = found.end()
    _refuse_open(source, done, len(source))


def without_tags(source: str) -> str:
    """Return a prompt with blanks in the place of its LoRAs, as long as it was."""
    if "<lora:" not in source:
        return source
    return TAG.sub(lambda tag: tag[0] if tag[1] is None else " " * len(tag[0]), source)


def _refuse_open(source: str, start: int, end: int) -> None:
    if found := _OPEN.search(source, start, end):
        raise PromptError(
            f"{quoted(found.group())} begins a LoRA and does not end it; {_WRITE}, or put a "
            "backslash before it for plain text."
        )


def _read(whole: str, inside: str, dialect: Dialect) -> LoraTag:
    name, *given = (part.strip() for part in inside.split(":"))
    named = dict(part.split("=", 1) for part in given if "=" in part)
    numbers = [part for part in given if "=" not in part]
    if not name or len(numbers) > 2 or named.keys() - {"te", "unet"}:
        _refuse(whole)
    first = _strength(numbers[0], whole) if numbers else 1.0
    second = _strength(numbers[1], whole) if len(numbers) > 1 else first
    denoiser, text = (first, second) if dialect == "comfy" else (second, first)
    if "te" in named:
        text = _strength(named["te"], whole)
    if "unet" in named:
        denoiser = _strength(named["unet"], whole)
    return LoraTag(name, denoiser, text)


def _strength(number: str, whole: str) -> float:
    if not _NUMBER.fullmatch(number):
        _refuse(whole)
    if abs(float(number)) > STRONGEST:
        raise PromptError(
            f"{quoted(whole)} has the strength {number}, but a LoRA's lies between "
            f"-{STRONGEST:g} and {STRONGEST:g}; choose one in that range."
        )
    return round(float(number), 4) + 0.0  # adding 0.0 takes the sign off a zero


def _refuse(whole: str) -> NoReturn:
    raise PromptError(
        f"{quoted(whole)} is not a LoRA that can be read: {_WRITE}, with one strength or two, or "
        "te= and unet= by name."
    )
