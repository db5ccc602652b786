"""The files that a prompt asks for by name: where they lie, and what is in them."""

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.prompt_schedule import plan
from crossattn.whole_prompt import loras
from crossattn.word_spans import quoted
from crossattn.words import read_prompt

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class AdapterFile:
    """A LoRA or textual inversion, as a prompt names it, its file, and the file's SHA-256."""

    kind: Literal["LoRA", "textual inversion"]
    name: str
    path: Path
    digest: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def field(self) -> Literal["loras", "embeddings"]:
        """The field of a recipe that says in which folder it is looked for."""
        return "loras" if self.kind == "LoRA" else "embeddings"


def adapter_files(recipe: Recipe) -> tuple[AdapterFile, ...]:
    """Find the files that a recipe's prompts ask for in the course of its run: LoRAs by their tags,
    textual inversions by words that are their names (in ComfyUI's dialect, `embedding:name`).

    Raises RecipeError for one that is not there, or cannot be used; PromptError for a prompt that
    cannot be read.
    """
    texts = [recipe.prompt, *([recipe.edit.prompt] if recipe.edit else [])]
    tags = (tag for text in texts for tag in loras(text, recipe.notation, recipe.steps))
    names = dict.fromkeys(tag.name for tag in tags)
    files = [_file("LoRA", name, recipe.loras) for name in names]
    marked = any("embedding:" in text for text in (*texts, recipe.negative_prompt))
    if marked if recipe.notation == "comfy" else recipe.embeddings is not None:
        files += _inversions(recipe, texts)
    return tuple(files)


def adapter_names(folder: str) -> list[str]:
    """The names by which prompts ask for the files of a folder and those below it, in order.

    Raises RecipeError if there is no such folder.
    """
    place = find_folder(folder)
    if place is None:
        raise RecipeError(f"There is no folder {folder}; give the one that has the files.")
    return sorted(_name(path, place) for path in _files(place))


def _inversions(recipe: Recipe, drawn: Sequence[str]) -> Iterator[AdapterFile]:
    found: dict[str, AdapterFile] = {}
    for text in (*drawn, recipe.negative_prompt):
        for name in _named(text, recipe):
            found[name] = _file("textual inversion", name, recipe.embeddings)
            if recipe.edit and text is not recipe.negative_prompt:
                raise RecipeError(
                    f"The textual inversion {quoted(name)} stands in a prompt that is edited word "
                    "by word, which is not served; take it out, or the edit."
                )
    yield from found.values()


def _named(source: str, recipe: Recipe) -> list[str]:
    """The names of textual inversions in a prompt, in small letters, as their tokens are."""
    read = [
        read_prompt(part.source, dialect=recipe.notation)
        for parts, _ in plan(source, recipe.steps or 50)
        for part in parts
    ]
    if recipe.notation == "comfy":
        marked = (p.text[slice(*span)].lower() for p in read for span in p.inversions)
        return list(dict.fromkeys(marked))
    there = "|".join(
        re.escape(name)
        for path in _there("textual inversions", recipe.embeddings)
        for name in (path.name.removesuffix(_SUFFIX),)
    )
    known = re.compile(rf"(?<!\w)(?:{there})(?!\w)", re.IGNORECASE) if there else None
    texts = dict.fromkeys(prompt.text for prompt in read)
    found = (name.lower() for text in texts for name in (known.findall(text) if known else ()))
    return list(dict.fromkeys(found))


def as_tokens(source: str, files: Iterable[AdapterFile]) -> str:
    """Return a prompt with the names of textual inversions as their tokens are spelled.

    The host's tokenizers find them in any letters, but have all their vectors in small ones only.
    """
    for file in files:
        if file.kind != "LoRA":
            name = rf"(?<!\w){re.escape(file.name)}(?!\w)"
            spelled = file.name.replace("\\", r"\\")
            source = re.sub(name, spelled, source, flags=re.IGNORECASE)
    return source


def _there(what: str, folder: str | None) -> list[Path]:
    field, option = ("loras", "--loras") if "LoRA" in what else ("embeddings", "--embeddings")
    if folder is None:
        raise RecipeError(
            f"The prompt asks for {what}, and the recipe says no folder to look in; give the one "
            f"that has it ({field}, {option})."
        )
    place = find_folder(folder)
    if place is None:
        raise RecipeError(
            f"The prompt asks for {what}, but there is no folder {folder}; give the one that has "
            f"it ({field}, {option})."
        )
    return _files(place)


def _files(place: Path) -> list[Path]:
    return sorted(place.rglob(f"*{_SUFFIX}"))


def _file(kind: Literal["LoRA", "textual inversion"], name: str, folder: str | None) -> AdapterFile:
    what = f"the {kind} {quoted(name)}"
    there = _there(what, folder)
    place = find_folder(folder)
    assert folder is not None and place is not None
    asked = name.replace("\\", "/").removesuffix(_SUFFIX)
    by_path = {_name(path, place): path for path in there}
    same = str.lower if kind == "textual inversion" else str
    found = [
        path
        for key, path in by_path.items()
        if same(asked) in (same(key), same(path.name.removesuffix(_SUFFIX)))
    ]
    if asked in by_path:
        found = [by_path[asked]]
    if len(found) > 1:
        names = " or ".join(quoted(_name(path, place)) for path in found)
        raise RecipeError(f"{folder} has several files for {what}; write {names}.")
    if not found:
        raise RecipeError(f"{folder} has no {quoted(asked + _SUFFIX)}; {_hint(asked, by_path)}")
    stat = found[0].stat()
    return AdapterFile(kind, name, found[0], _digest(found[0], stat.st_mtime_ns, stat.st_size))


def find_folder(name: str | None) -> Path | None:
    """The folder of that name; None if there is none."""
    try:
        place = Path(name or "").expanduser()
        return place if place.is_dir() else None
    except (OSError, RuntimeError):
        # Too long for a path, or in the home of somebody who does not exist.
        return None


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
