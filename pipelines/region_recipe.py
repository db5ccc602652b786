"""The part of a recipe that says where a word may go."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from crossattn.pipelines.edit_recipe import MaskRow, Shares, Text


class RegionRecipe(BaseModel):
    """A word or phrase of the prompt, and the part of the picture that it is held to."""

    # Each description finishes "regions.<field> must be ...", in errors and in the JSON Schema.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    word: Text = Field(description="a word or phrase of the prompt, or dog#2 for its second dog")
    mask: tuple[MaskRow, ...] = Field(
        min_length=1,
        max_length=128,
        strict=False,
        description="rows of equal length, # inside and . outside, with at least one #",
    )
    hold: float = Field(
        default=1.0,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="a number from 0, free, over 1, almost all of it inside, to 10",
    )
    window: Shares = Field(
        default=(0.0, 1.0),
        description="two shares of the schedule from 0 to 1, the smaller first",
    )

    @field_validator("mask")
    @classmethod
    def _rectangle(cls, mask: tuple[str, ...]) -> tuple[str, ...]:
        if len({len(row) for row in mask}) > 1 or not any("#" in row for row in mask):
            raise ValueError("no mask")
        return mask
