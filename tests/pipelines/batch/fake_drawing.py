"""A renderer without a model, for tests: quick, exact, and bad in the ways it is told to be."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from crossattn.errors import ControlError
from crossattn.pipelines.batch import Rendering
from crossattn.pipelines.batch.plan import full_fields
from crossattn.pipelines.recipe import Recipe


@dataclass(frozen=True)
class Drawing:
    """Draws a square whose colour is the seed; words of the prompt say what is to go wrong.

    `log` is a folder that gets a line for each try, and remembers what is to go wrong only once.
    """

    log: Path
    version: str = "1"

    def __call__(self, recipe: Recipe) -> Rendering:
        with (self.log / "tries").open("a") as file:
            file.write(f"{recipe.seed} {os.getpid()}\n")
        words = recipe.prompt.split()
        if "fails" in words or ("falters" in words and self._first(recipe)):
            raise ValueError("the brush broke")
        if "contradicts" in words:
            raise ControlError("no brush can draw that")
        if "dies" in words or ("faints" in words and self._first(recipe)):
            os.kill(os.getpid(), signal.SIGKILL)
        if "dawdles" in words:
            time.sleep(600)
        if "slowly" in words:
            time.sleep(0.3)
        picture = BytesIO()
        Image.new("RGB", (64, 64), (recipe.seed % 256, 80, 160)).save(picture, "PNG")
        words_and_shares = [[word, 1, 0.25] for word in words]
        facts = {
            "recipe": full_fields(recipe),
            "sampler": "Brush",
            "seconds": 0.25,
            "words": words_and_shares,
            "warnings": [],
        }
        return Rendering({"picture.png": picture.getvalue()}, facts)

    def made_with(self, recipes: Iterable[Recipe]) -> dict[str, Any]:
        return {"versions": {"drawing": self.version}}

    def expect(self, recipes: Sequence[Recipe]) -> None:
        pass

    def tries(self) -> Counter[int]:
        """Return how often each seed was tried."""
        return Counter(seed for seed, _ in self._lines())

    def workers(self) -> set[int]:
        """Return the processes that tried."""
        return {pid for _, pid in self._lines()}

    def _lines(self) -> list[tuple[int, int]]:
        path = self.log / "tries"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [(int(seed), int(pid)) for seed, pid in map(str.split, lines)]

    def _first(self, recipe: Recipe) -> bool:
        try:
            (self.log / f"once-{recipe.seed}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder by its name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
