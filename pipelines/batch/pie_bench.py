"""PIE-Bench's mapping_file.json: 700 edits with their prompts, blend words and true masks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossattn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

SIDE = 512
"""Pixels along each side of the benchmark's pictures and masks."""


@dataclass(frozen=True)
class Pair:
    """One edit of PIE-Bench (Ju et al. 2023): prompts without marks, and what is to change.

    `blend` are the words to change, in the source and in the target; empty where none are named.
    """

    id: str
    image: Path
    source: str
    target: str
    instruction: str
    kind: str
    blend: tuple[str, str]
    runs: tuple[int, ...]

    def row(self) -> dict[str, Any]:
        """Return the edit as a row of a plan.

        It is of the benchmark's picture where that lies in the folder, at the model's own size, and
        else of the picture that the model draws for the source.
        """
        words = [word for word in self.blend if word]
        edit = {"prompt": self.target, **({"blend": words} if words else {})}
        row: dict[str, Any] = {
            "id": self.id,
            "prompt": self.source,
            "edit": edit,
            "axes": {"kind": self.kind},
        }
        if self.image.is_file():
            row["picture"] = {"path": str(self.image), "put_back": False}
        return row

    def mask(self) -> "np.ndarray":
        """Return where the picture is to change, bool (512, 512).

        The outermost pixels are always in it, as in the benchmark's own decoder. Raises
        InputError if the stored runs do not fit the picture.
        """
        import numpy as np

        starts, lengths = self.runs[::2], self.runs[1::2]
        if len(starts) != len(lengths) or any(
            start < 0 or length < 0 or start > SIDE * SIDE
            for start, length in zip(starts, lengths, strict=False)
        ):
            raise InputError(
                f"The mask of {self.id} must be pairs of a start and a length in a picture of "
                f"{SIDE} x {SIDE}, but is not; get the file anew."
            )
        flat = np.zeros(SIDE * SIDE, dtype=bool)
        for start, length in zip(starts, lengths, strict=True):
            flat[start : start + length] = True
        mask = flat.reshape(SIDE, SIDE)
        mask[[0, -1]] = True
        mask[:, [0, -1]] = True
        return mask


def is_pie_bench(data: Any) -> bool:
    """Say whether a JSON value has the form of PIE-Bench's mapping file."""
    return (
        isinstance(data, dict)
        and bool(data)
        and all(isinstance(row, dict) and "editing_prompt" in row for row in data.values())
    )


def read_pairs(data: dict[str, dict[str, Any]], folder: Path) -> Iterator[Pair]:
    """Read the edits of a mapping file whose pictures lie in `folder`; InputError if broken."""
    for key, row in data.items():
        try:
            source_word, _, target_word = row.get("blended_word", "").partition(" ")
            yield Pair(
                id=key,
                image=folder / "annotation_images" / row["image_path"],
                source=_unmarked(row["original_prompt"]),
                target=_unmarked(row["editing_prompt"]),
                instruction=str(row.get("editing_instruction", "")),
                kind=str(row.get("editing_type_id", "")),
                blend=(source_word, target_word),
                runs=tuple(map(int, row.get("mask", ()))),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"The entry {key!r:.60} is not as in PIE-Bench's mapping_file.json "
                f"({error!r:.100}); get the file anew."
            ) from None


def _unmarked(prompt: str) -> str:
    # The marks around what changes are for readers; to the model they are noise.
    return " ".join(prompt.replace("[", "").replace("]", "").split())
