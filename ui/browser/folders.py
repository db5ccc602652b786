"""The page's folders of LoRAs and textual inversions, whose files its prompts ask for by name."""

from dataclasses import dataclass

from crossattn.errors import InputError, RecipeError
from crossattn.pipelines.adapter_files import (
    AdapterFile,
    adapter_files,
    adapter_names,
    find_folder,
)
from crossattn.pipelines.recipe import Recipe


@dataclass(frozen=True)
class Folders:
    """Where LoRAs and textual inversions lie on the server; raises `InputError` for no folder."""

    loras: str | None = None
    embeddings: str | None = None

    def __post_init__(self) -> None:
        for name, folder in vars(self).items():
            if folder is not None and find_folder(folder) is None:
                raise InputError(
                    f"--{name} {folder}: there is no such folder; give the one that has the files."
                )

    def given(self, recipe: Recipe) -> Recipe:
        """A recipe with the folders that its prompts ask for files of; it may have its own.

        Raises `RecipeError` for a file that is not there, `PromptError` for what cannot be read.
        """
        asked = {file.field for file in self._found(recipe)}
        own = {name: getattr(recipe, name) or getattr(self, name) for name in asked}
        return recipe.replace(**own)

    def named(self, recipe: Recipe) -> tuple[set[str], str | None]:
        """The textual inversions that a recipe's prompts name, and what is wrong with its files."""
        try:
            files = self._found(recipe)
        except RecipeError as error:
            return set(), str(error)
        return {file.name.lower() for file in files if file.field == "embeddings"}, None

    def files(self, notation: str) -> dict[str, dict[str, str]]:
        """What there is, by kind: names, and how a prompt in that dialect asks for each."""
        mark = "embedding:" if notation == "comfy" else ""
        found = {}
        if self.loras is not None:
            found["LoRAs"] = {name: f"<lora:{name}:1>" for name in adapter_names(self.loras)}
        if self.embeddings is not None:
            names = adapter_names(self.embeddings)
            found["textual inversions"] = {name: f"{mark}{name}" for name in names}
        return {kind: names for kind, names in found.items() if names}

    def _found(self, recipe: Recipe) -> tuple[AdapterFile, ...]:
        ours = {name: folder for name, folder in vars(self).items() if not getattr(recipe, name)}
        return adapter_files(recipe.replace(**ours))


NONE = Folders()
"""A page without any."""
