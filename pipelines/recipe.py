"""The recipe: the one description of a picture; front ends build it and every PNG carries it."""

import difflib
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from crossattn.dialects import USUAL, Dialect
from crossattn.errors import RecipeError
from crossattn.pipelines.edit_recipe import EditRecipe, Text
from crossattn.pipelines.picture_recipe import PictureRecipe
from crossattn.pipelines.region_recipe import RegionRecipe
from crossattn.whole_prompt import check_negative_prompt, check_prompt
from crossattn.words import Prompt, read_prompt

SchedulerName = Literal["ddim", "dpm++", "euler", "euler-a", "heun", "lcm"]
DtypeName = Literal["float32", "bfloat16", "float16"]

_PARTS: dict[str, type[BaseModel]] = {
    "edit": EditRecipe,
    "picture": PictureRecipe,
    "regions": RegionRecipe,
}
# The rows of a plan have the same prompts over and over.
_check_prompt = lru_cache(1024)(check_prompt)
_check_negative_prompt = lru_cache(1024)(check_negative_prompt)

_SIZE = "a multiple of 8 from 64 to 2048 (pixels)"


class Recipe(BaseModel):
    """Everything that decides a picture; None leaves a choice to the model.

    `run` returns the same recipe with every choice filled in, so that it can be run again.
    Building one raises RecipeError (or PromptError) if a field is missing, unknown or out of range.
    """

    # Each description finishes "<field> must be ...", in errors and in the JSON Schema.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="crossattn recipe")

    version: Literal[1] = Field(default=1, description="1, the version of this format")
    model: str = Field(
        default="emoji-sd",
        min_length=1,
        max_length=1000,
        description="emoji-sd, a folder, a hub id (owner/name) or a .safetensors file",
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="a branch, tag or commit of a hub id",
    )
    config: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="a folder with the configuration that a .safetensors file follows",
    )
    prompt: str = Field(
        min_length=1, max_length=10_000, description="a text of 1 to 10000 characters, not blank"
    )
    negative_prompt: str = Field(
        default="", max_length=10_000, description="a text of at most 10000 characters"
    )
    seed: int = Field(
        default=0, ge=0, le=2**63 - 1, description="a whole number from 0 to 9223372036854775807"
    )
    steps: int | None = Field(
        default=None, ge=1, le=1000, description="a whole number of denoising steps from 1 to 1000"
    )
    guidance: float | None = Field(
        default=None, ge=0, le=50, allow_inf_nan=False, description="a number from 0 to 50"
    )
    height: int | None = Field(default=None, ge=64, le=2048, multiple_of=8, description=_SIZE)
    width: int | None = Field(default=None, ge=64, le=2048, multiple_of=8, description=_SIZE)
    scheduler: SchedulerName | None = Field(
        default=None,
        description="one of ddim, dpm++, euler, euler-a, heun, lcm, or the model's own (null)",
    )
    dialect: Dialect | None = Field(
        default=None,
        description="what a weight as in (cat:1.3) means: one of attention, attention-normalised, "
        "a1111, comfy, compel, difference, or the model's own (null)",
    )
    edit: EditRecipe | None = Field(
        default=None,
        description="an edit into the picture of another prompt (protect only with blend), or null",
    )
    picture: PictureRecipe | None = Field(
        default=None,
        description="a picture that exists, of which prompt is the caption, or null",
    )
    regions: tuple[RegionRecipe, ...] = Field(
        default=(),
        max_length=100,
        strict=False,
        description="words of the prompt, each with a mask that it is held to",
    )
    excite: tuple[Text, ...] | None = Field(
        default=None,
        max_length=100,
        strict=False,
        description="words that must all be there, [] for every thing that is named, or null",
    )
    loras: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="the folder of the LoRAs (.safetensors) that <lora:name:0.8> names",
    )
    embeddings: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="the folder of the textual inversions (.safetensors) that words name",
    )
    dtype: DtypeName = Field(default="float32", description="one of float32, bfloat16, float16")
    device: str | None = Field(
        default=None, pattern=r"^(cpu|mps|cuda(:\d{1,3})?)$", description="cpu, mps, cuda or cuda:1"
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="a whole number of CPU threads from 1 to 1024, which decides the last bits",
    )
    versions: dict[str, str] = Field(
        default_factory=dict, description="the versions of the libraries that made the picture"
    )
    digests: dict[str, str] = Field(
        default_factory=dict,
        description="the SHA-256 of each LoRA and textual inversion that made the picture",
    )

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("blank")
        return prompt

    @model_validator(mode="after")
    def _readable(self) -> Self:
        # A caption says all of a picture at once, and so does what is edited.
        drawn = self.edit is None and self.picture is None
        _check_prompt(self.prompt, self.notation, several=drawn, steps=self.steps)
        _check_negative_prompt(self.negative_prompt, self.notation, steps=self.steps)
        if self.edit is not None:
            _check_prompt(self.edit.prompt, self.notation, several=False)
        if self.excite is not None and not drawn:
            self._check_excited()
        return self

    def _check_excited(self) -> None:
        if self.picture is not None:
            raise RecipeError(
                "Words can be made sure of where a picture is drawn, and not in one that exists; "
                "leave excite or picture out."
            )
        if self.edit is not None and self.edit.begin:
            raise RecipeError(
                "Words are made sure of while a picture begins, so an edit of it begins at 0: "
                "leave excite or edit.begin out."
            )

    @model_validator(mode="wrap")
    @classmethod
    def _in_one_sentence(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            raise RecipeError(_sentence(error, cls)) from None

    def replace(self, **changes: Any) -> "Recipe":
        """Return a copy with some fields changed, checked as a new recipe is."""
        return Recipe.model_validate({**self.model_dump(), **changes})

    @property
    def notation(self) -> Dialect:
        """The dialect that its prompts are written in."""
        return self.dialect or USUAL

    @property
    def source(self) -> "Recipe":
        """The picture that its edit starts from, without what is said of the target's words alone.

        Of a recipe that edits nothing, the recipe itself.
        """
        if self.edit is None:
            return self
        prompt = read_prompt(self.prompt, dialect=self.notation)
        held = [one for one in self.regions if one.word in prompt]
        return self.replace(edit=None, regions=held, excite=self.excited_in(prompt))

    def excited_in(self, prompt: Prompt) -> tuple[str, ...] | None:
        """`excite` for one prompt of an edit: the words that it has, null if it has none."""
        if not self.excite:
            return self.excite
        return tuple(word for word in self.excite if word in prompt) or None

    def to_json(self) -> str:
        """Return the recipe as JSON, every field written out."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Recipe":
        """Read a recipe from JSON; raises RecipeError if it is not one."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Invalid JSON: ")
            raise RecipeError(f"The recipe must be a JSON object, but {reason}.") from None


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe."""
    return Recipe.model_json_schema()


def _sentence(error: ValidationError, cls: type[Recipe]) -> str:
    faults = []
    for fault in error.errors():
        place = [part for part in fault["loc"] if isinstance(part, str)] or ["recipe"]
        within = place[0] in _PARTS and len(place) > 1
        fields = _PARTS[place[0]].model_fields if within else cls.model_fields
        key = place[1] if within else place[0]
        name = ".".join(place[:2]) if within else key
        if fault["type"] == "missing":
            faults.append(f"{name} is missing: it must be {fields[key].description}")
        elif fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, fields, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ", take it out"
            faults.append(f"{name!r:.60} is not a field of a recipe{hint}")
        elif key in fields:
            expected = fields[key].description
            faults.append(f"{name} must be {expected}, but is {_shown(fault['input'])}")
        else:
            faults.append(f"it must be an object with a prompt, but is {_shown(fault['input'])}")
    return "The recipe cannot be used: " + "; ".join(faults) + "."


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else text[:36] + " ..."
