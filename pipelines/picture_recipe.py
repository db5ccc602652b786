"""The part of a recipe that names a picture that exists, and how it is taken up."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

METHODS = (
    "shift, direct, ddim, negative-prompt, virtual, edit-friendly (no flow) or flowedit (a flow)"
)


class PictureRecipe(BaseModel):
    """A picture that exists, whose caption is `Recipe.prompt`."""

    # Each description finishes "picture.<field> must be ...", in errors and in the JSON Schema.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: str = Field(min_length=1, max_length=4000, description="the path of a picture's file")
    sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="the SHA-256 of that file, 64 digits, or any file (null)",
    )
    method: Literal[
        "shift", "direct", "ddim", "negative-prompt", "virtual", "edit-friendly", "flowedit"
    ] = Field(default="shift", description=f"one of {METHODS}")
    put_back: bool = Field(
        default=True,
        description="true, to put what changed back into the picture as it was, at its full size, "
        "or false",
    )
