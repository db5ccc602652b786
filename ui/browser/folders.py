"""The page's folders of LoRAs and textual inversions, whose files its prompts ask for by name."""

from dataclasses import dataclass
from pathlib import Path

from crossattn.errors import InputError, RecipeError
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.recipe import Recipe

SUFFIX = ".safetensors"
_FIELDS = {"LoRA": "loras", "textual inversion": "embeddings"}


@dataclass(frozen=True)
class Folders:
    """Where LoRAs and textual inversions lie on the server; raises `InputError` for no folder."""

    loras: str | None = None
    embeddings: str | None = None

    def __post_init__(self) -> None:
        for name, folder in vars(self).items():
            if folder is not None and not Path(folder).expanduser().is_dir():
                raise InputError(
                    f"--{name} {folder}: there is no such folder; give the one that has the files."
                )

    def given(self, recipe: Recipe) -> Recipe:
        """A recipe with the folders that its prompts ask for files of; it may have its own.

        Raises `RecipeError` for a file that is not there, `PromptError` for what cannot be read.
        """
        own = {name: folder for name, folder in vars(self).items() if not getattr(recipe, name)}
        asked = {_FIELDS[file.kind] for file in adapter_files(recipe.replace(**own))}
        return recipe.replace(**{name: own[name] for name in asked & own.keys()})

    def named(self, recipe: Recipe) -> tuple[set[str], str | None]:
        """The textual inversions that a recipe's prompts name, and what is wrong with its files."""
        try:
            files = adapter_files(self.given(recipe))
        except RecipeError as error:
            return set(), str(error)
        return {file.name.lower() for file in files if file.kind != "LoRA"}, None

    def files(self, notation: str) -> dict[str, dict[str, str]]:
        """What there is, by kind: names, and how a prompt in that dialect asks for each."""
        mark = "embedding:" if notation == "comfy" else ""
        found = {
            "LoRAs": {name: f"<lora:{name}:1>" for name in _names(self.loras)},
            "textual inversions": {name: f"{mark}{name}" for name in _names(self.embeddings)},
        }
        return {kind: names for kind, names in found.items() if names}


NONE = Folders()
"""A page without any."""


def _names(folder: str | None) -> list[str]:
    """The files of a folder and those below it, as prompts name them."""
    if folder is None:
        return []
    place = Path(folder).expanduser()
    found = (path.relative_to(place).as_posix() for path in place.rglob(f"*{SUFFIX}"))
    return sorted(name.removesuffix(SUFFIX) for name in found)
