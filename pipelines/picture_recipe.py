"""The part of a recipe that names a picture that exists, and how it is taken up."""

from pydantic import BaseModel, ConfigDict, Field

from crossattn.inversion_methods import Method, listed


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
    method: Method | None = Field(
        default=None, description=f"one of {listed()}, or left to the model (null)"
    )
    put_back: bool = Field(
        default=True,
        description="true, to put what changed back into the picture as it was, at its full size, "
        "or false",
    )
