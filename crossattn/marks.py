"""What reading a prompt's marks gives: its text, its weights, and what each mark did."""

from dataclasses import dataclass

from crossattn.lora_tags import LoraTag


@dataclass(frozen=True)
class Mark:
    """A stretch of the source that is more than text, or looks so; `does` says what it does.

    `foreign` marks weigh words in other dialects, and nothing in this one.
    """

    start: int
    end: int
    text: str
    does: str
    foreign: bool = False


@dataclass(frozen=True)
class Weighted:
    """A prompt whose marks were read.

    `text` is what is left, `weights` has one for each of its characters, `breaks` are the places in
    it where a new stretch begins, `marks` says in order what each mark did. `loras` are the LoRAs
    that it asks for, each with its place in the text; `inversions` are the stretches of it that
    were marked as textual inversions.
    """

    text: str
    weights: tuple[float, ...]
    breaks: tuple[int, ...]
    marks: tuple[Mark, ...]
    loras: tuple[LoraTag, ...] = ()
    inversions: tuple[tuple[int, int], ...] = ()
