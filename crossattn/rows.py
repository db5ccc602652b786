"""The rows of a denoiser's batch: which image each belongs to, and which side of guidance."""

from dataclasses import dataclass

from crossattn.errors import ControlError


@dataclass(frozen=True)
class Rows:
    """Rows of one denoiser call.

    `positive[i]` is the row that image i is conditioned in, `negative[i]` the row of its negative
    prompt (empty without guidance), `prompt[i]` the index of the prompt that image i was asked by.
    """

    positive: tuple[int, ...]
    negative: tuple[int, ...]
    prompt: tuple[int, ...]

    @classmethod
    def read(cls, count: int, guided: bool, prompts: int | None) -> "Rows":
        """Rows of a batch of `count`: diffusers stacks all negatives first, then all positives.

        With several images a prompt, images of the same prompt stand together. `prompts` is None
        where nobody named them: every image then is its own. Raises `ControlError` when `count`
        does not divide so.
        """
        images, rest = divmod(count, 2 if guided else 1)
        each, unowned = divmod(images, prompts or images or 1)
        if rest or unowned or not each:
            raise ControlError(
                f"The model was called with {count} rows {'with' if guided else 'without'} "
                f"guidance, which does not divide over {prompts} prompt(s); give attach the "
                "prompts that the pipeline was given."
            )
        first = count - images
        return cls(
            positive=tuple(range(first, count)),
            negative=tuple(range(first)),
            prompt=tuple(image // each for image in range(images)),
        )
