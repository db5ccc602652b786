"""The part of a recipe that says how to edit its picture into that of another prompt."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _in_order(shares: tuple[float, float]) -> tuple[float, float]:
    if shares[0] > shares[1]:
        raise ValueError("out of order")
    return shares


Shares = Annotated[tuple[Share, Share], Field(strict=False), AfterValidator(_in_order)]
"""A part of the schedule: its first and its last share, in order."""

MaskRow = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[#.]+$")]
"""A row of a mask: # inside, . outside."""

Text = Annotated[str, Field(min_length=1, max_length=1000)]

_SHARES = "two shares of the schedule from 0 to 1, the smaller first"


class EditRecipe(BaseModel):
    """How the picture of `Recipe.prompt` becomes that of another prompt; null leaves a choice."""

    # Each description finishes "edit.<field> must be ...", in errors and in the JSON Schema.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: str = Field(
        min_length=1, max_length=10_000, description="the target, a text of 1 to 10000 characters"
    )
    mode: Literal["replace", "refine"] | None = Field(
        default=None,
        description="replace, refine, or by the words (null): replace if any is swapped",
    )
    begin: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        allow_inf_nan=False,
        description="a share of the schedule from 0 to below 1: before it all is the source's",
    )
    cross: Shares | None = Field(
        default=None,
        description=f"{_SHARES}: when words look where the source's did, or the model's own (null)",
    )
    share: Shares | None = Field(
        default=None,
        description=f"{_SHARES}: when pixels look where the source's did, or the model's own "
        "(null)",
    )
    words: dict[Text, Shares] = Field(
        default_factory=dict,
        max_length=100,
        strict=False,
        description=f"words of the target, each with {_SHARES}: windows of their own in cross",
    )
    blend: tuple[Text, ...] | None = Field(
        default=(),
        max_length=100,
        strict=False,
        description="the words whose place may change, those that differ ([]), or all of it (null)",
    )
    protect: tuple[Text, ...] = Field(
        default=(),
        max_length=100,
        strict=False,
        description="words whose place stays; they need blend",
    )
    by: Literal["words", "nouns"] | None = Field(
        default=None,
        description="words or nouns, what a blend goes by, or the model's own (null)",
    )
    threshold: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        allow_inf_nan=False,
        description="a number from 0 to below 1 (blend), or that of what it goes by (null)",
    )

    mask: tuple[MaskRow, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        strict=False,
        description="rows of equal length, # where the picture may change and . elsewhere, or null",
    )

    @field_validator("mask")
    @classmethod
    def _rectangle(cls, mask: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if len({len(row) for row in mask or ()}) > 1:
            raise ValueError("no mask")
        return mask

    @field_validator("prompt")
    @classmethod
    def _not_blank(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("blank")
        return prompt

    @model_validator(mode="after")
    def _blended(self) -> "EditRecipe":
        if self.protect and self.blend is None:
            raise ValueError("protect needs blend")
        return self
