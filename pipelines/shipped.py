"""The models that ship: where their files lie, and how each is drawn with unless a recipe says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ShippedModel:
    """A model that ships in a package of its own.

    `steps`, `guidance` and the number of CPU `threads` are its own choices; `sequence` is the
    length in tokens of what stands for a T5 encoder, None where there is no such thing. `borrows`
    are its parts whose files are parts of emoji-sd: they are not there twice.
    """

    package: str
    steps: int
    guidance: float = 4.0
    threads: int = 1
    sequence: int | None = None
    borrows: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        path: Path = import_module(self.package).model_path()
        return path

    @property
    def options(self) -> dict[str, Any]:
        """What its pipeline is to be told besides steps and guidance."""
        return {} if self.sequence is None else {"max_sequence_length": self.sequence}

    @property
    def borrowed(self) -> tuple[tuple[str, Path], ...]:
        """The names of the parts that lie elsewhere, with their folders."""
        lender = SHIPPED["emoji-sd"].folder
        return tuple((part, lender / other) for part, other in self.borrows.items())


SHIPPED = {
    "emoji-sd": ShippedModel("crossattn.pipelines.emoji_sd", steps=25),
    "emoji-sd3": ShippedModel(
        "crossattn.pipelines.emoji_sd3",
        steps=12,
        sequence=16,
        borrows={"vae": "vae", "tokenizer": "tokenizer", "tokenizer_2": "tokenizer"},
    ),
}
