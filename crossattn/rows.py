"""The rows of a denoiser's batch: which image each belongs to, and which side of guidance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossattn.errors import ControlError


@dataclass(frozen=True)
class Rows:
    """Rows of one call of the denoiser.

    `positive` are the rows that images are conditioned in, `negative` those of their negative
    prompts, in the order of the images; either may be empty, as in guidance by separate calls.
    `other` are rows of neither side (perturbed or image guidance). `image` has the image that each
    row belongs to, `prompt` the index of the prompt that each image of the run was asked by.
    """

    positive: tuple[int, ...]
    negative: tuple[int, ...]
    other: tuple[int, ...]
    image: tuple[int, ...]
    prompt: tuple[int, ...]

    @property
    def images(self) -> int:
        """Images of the run."""
        return len(self.prompt)

    def of_images(self, side: str = "positive") -> dict[int, int]:
        """The row of each image that this call has on the "positive" or the "negative" side."""
        rows = self.positive if side == "positive" else self.negative
        return {self.image[row]: row for row in rows}

    def runs(self, side: str = "positive") -> Iterator[tuple[slice, slice]]:
        """Images and rows of a side, as slices of those that lie together in both orders."""
        rows = self.positive if side == "positive" else self.negative
        first = 0
        for place, row in enumerate(rows, 1):
            goes_on = place < len(rows) and rows[place] == row + 1
            if not (goes_on and self.image[rows[place]] == self.image[row] + 1):
                image = self.image[rows[first]]
                yield slice(image, image + place - first), slice(rows[first], row + 1)
                first = place

    def conditional(self) -> Iterator[tuple[int, int, int]]:
        """Each image that is conditioned in this call, with its row and its prompt's index."""
        for image, row in self.of_images().items():
            yield image, row, self.prompt[image]

    def aside(self) -> "Rows":
        """The same rows as ones of neither side."""
        every = tuple(sorted((*self.positive, *self.negative, *self.other)))
        return Rows((), (), every, self.image, self.prompt)

    @classmethod
    def by_blocks(cls, count: int, blocks: Sequence[str], prompts: int | None) -> "Rows":
        """Rows of a batch of `count` that holds one block of all images for each side.

        `blocks` names the sides in order: "negative", "positive" or "other". With several images a
        prompt, images of the same prompt stand together. `prompts` is None where nobody named
        them: every image then is its own. Raises `ControlError` when `count` does not divide so.
        """
        images, rest = divmod(count, len(blocks))
        if rest or not images or images % (prompts or images):
            raise ControlError(
                f"The model was called with {count} row(s), which does not divide over "
                f"{'' if prompts is None else f'{prompts} prompt(s) and '}the sides "
                f"{', '.join(blocks)}; give attach the prompts that the pipeline was given, or "
                "guided=True or False."
            )
        sides: dict[str, list[int]] = {"positive": [], "negative": [], "other": []}
        for number, side in enumerate(blocks):
            sides[side] += range(number * images, (number + 1) * images)
        prompt = prompts_of(images, prompts)
        return cls.of_sides(sides["positive"], sides["negative"], sides["other"], prompt)

    @classmethod
    def of_sides(
        cls,
        positive: Sequence[int],
        negative: Sequence[int],
        other: Sequence[int],
        prompt: Sequence[int],
        first: int = 0,
    ) -> "Rows":
        """Rows given side by side in the order of their images, the first of which is `first`."""
        count = max(len(positive), len(negative))
        image = {
            row: first + place % count
            for side in (positive, negative, other)
            for place, row in enumerate(side)
        }
        owners = tuple(image[row] for row in sorted(image))
        return cls(tuple(positive), tuple(negative), tuple(other), owners, tuple(prompt))


def prompts_of(images: int, prompts: int | None) -> tuple[int, ...]:
    """The prompt's index of each image, `images` being a multiple of `prompts` (None: as many)."""
    each = images // (prompts or images)
    return tuple(image // each for image in range(images))
