"""The files that a prompt asks for by name: where they lie, and what is in them."""

import difflib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.whole_prompt import loras
from crossattn.word_spans import quoted

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class AdapterFile:
    """A LoRA that a prompt names, its file, and the file's SHA-256."""

    name: str
    path: Path
    digest: str

    def __str__(self) -> str:
        return f"LoRA {self.name}"


def adapter_files(recipe: Recipe) -> tuple[AdapterFile, ...]:
    """Find the files of the LoRAs that a recipe's prompts ask for in the course of its run.

    Raises RecipeError for one that is not there, PromptError for a prompt that cannot be read.
    """
    texts = [recipe.prompt, *([recipe.edit.prompt] if recipe.edit else [])]
    tags = (tag for text in texts for tag in loras(text, recipe.dialect, recipe.steps))
    names = dict.fromkeys(tag.name for tag in tags)
    return tuple(_find(name, recipe.loras) for name in names)


def _find(name: str, folder: str | None) -> AdapterFile:
    what = f"the LoRA {quoted(name)}"
    if folder is None:
        raise RecipeError(
            f"The prompt asks for {what}, and the recipe says no folder to look in; give the one "
            "that has it (loras, --loras)."
        )
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise RecipeError(
            f"The prompt asks for {what}, but there is no folder {folder}; give the one that has "
            "it (loras, --loras)."
        )
    there = sorted(place.rglob(f"*{_SUFFIX}"))
    asked = name.replace("\\", "/").removesuffix(_SUFFIX)
    by_path = {_name(path, place): path for path in there}
    found = [path for key, path in by_path.items() if asked in (key, path.stem)]
    if asked in by_path:
        found = [by_path[asked]]
    if len(found) > 1:
        names = " or ".join(quoted(_name(path, place)) for path in found)
        raise RecipeError(f"{folder} has several files for {what}; write {names}.")
    if not found:
        raise RecipeError(f"{folder} has no {quoted(asked + _SUFFIX)}; {_hint(asked, by_path)}")
    stat = found[0].stat()
    return AdapterFile(name, found[0], _digest(found[0], stat.st_mtime_ns, stat.st_size))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix().removesuffix(_SUFFIX)


def _hint(asked: str, names: Iterable[str]) -> str:
    names = sorted(names)
    short = {name.rsplit("/", 1)[-1].lower(): name for name in names}
    near = [short[key] for key in difflib.get_close_matches(asked.lower(), short)]
    if near:
        return f"did you mean {' or '.join(map(quoted, near))}?"
    listed = ", ".join(map(quoted, names[:20]))
    rest = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"it has {listed}{rest}." if listed else f"it has no file that ends in {_SUFFIX}."


@lru_cache(256)
def _digest(path: Path, changed: int, size: int) -> str:
    # The time and the size are only here to make the cache notice a changed file.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
