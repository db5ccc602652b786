"""How a denoiser is given its latents and its text, and how schedulers hold the latents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """A denoiser's arguments by name, its latents being (rows, channels, height, width).

    `latents`, `text` and `time` name the arguments.
    """

    latents: str = "hidden_states"
    text: str = "encoder_hidden_states"
    time: str = "timestep"

    @property
    def folded(self) -> int:
        """Values of a picture's channel that make channels of one pixel."""
        return 1

    def size(self, arguments: Arguments) -> tuple[int, int]:
        """The latent's (height, width)."""
        latents = arguments[self.latents]
        return latents.shape[-2], latents.shape[-1]

    def rows(self, arguments: Arguments) -> int:
        """Rows of the batch."""
        return len(arguments[self.latents])

    def embeds(self, arguments: Arguments) -> "Tensor":
        """What the text encoders made of the prompts: (rows, tokens, channels)."""
        embeds: Tensor = arguments[self.text]
        return embeds

    def tokens(self, arguments: Arguments) -> int:
        """The text tokens that are attended to."""
        return self.embeds(arguments).shape[1]

    def picture(self, arguments: Arguments) -> "Tensor":
        """The latents as a picture: (rows, channels, height, width)."""
        return self.unpack(arguments[self.latents], *self.size(arguments))

    def moved(self, arguments: Arguments, by: "Tensor") -> Any:
        """The argument of latents, its first channels moved by (rows, channels, height, width)."""
        latents = arguments[self.latents].clone()
        latents[:, : by.shape[1]] += by
        return latents

    def unpack(self, latents: "Tensor", height: int, width: int) -> "Tensor":
        """A scheduler's latents as a picture: (rows, channels, height, width)."""
        return latents

    def pack(self, picture: "Tensor") -> "Tensor":
        """A picture as the scheduler's latents."""
        return picture


@dataclass(frozen=True)
class PackedInputs(Inputs):
    """Latents (rows, pixels, channels), in which a pixel is 2 × 2 of the picture's or 1 × 1.

    `patch` is that side. The grid stands in the positions of the pixels, or in the shapes.
    """

    patch: int = 2

    @property
    def folded(self) -> int:
        """Values of a picture's channel that make channels of one pixel."""
        return self.patch**2

    def size(self, arguments: Arguments) -> tuple[int, int]:
        """The latent's (height, width)."""
        if (shapes := arguments.get("img_shapes")) is not None:
            first = shapes[0][0] if isinstance(shapes[0], list) else shapes[0]
            return first[1] * self.patch, first[2] * self.patch
        ids = arguments["img_ids"]
        ids = ids[0] if ids.ndim == 3 else ids
        own = ids[ids[:, 0] == ids[0, 0]]  # further pictures (references) stand behind the first
        height, width = (own[:, 1:3].amax(0) + 1).tolist()
        return int(height) * self.patch, int(width) * self.patch

    def picture(self, arguments: Arguments) -> "Tensor":
        """The latents as a picture: (rows, channels, height, width)."""
        height, width = self.size(arguments)
        pixels = (height // self.patch) * (width // self.patch)
        return self.unpack(arguments[self.latents][:, :pixels], height, width)

    def moved(self, arguments: Arguments, by: "Tensor") -> Any:
        """The argument of latents, its first channels moved by (rows, channels, height, width)."""
        latents, packed = arguments[self.latents].clone(), self.pack(by)
        latents[:, : packed.shape[1], : packed.shape[2]] += packed
        return latents

    def unpack(self, latents: "Tensor", height: int, width: int) -> "Tensor":
        """A scheduler's latents as a picture: (rows, channels, height, width)."""
        side = self.patch
        grid = latents.unflatten(1, (height // side, width // side)).unflatten(-1, (-1, side, side))
        # (rows, high, wide, channels, side, side) -> (rows, channels, high, side, wide, side)
        return grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)

    def pack(self, picture: "Tensor") -> "Tensor":
        """A picture as the scheduler's latents: (rows, pixels, channels)."""
        side = self.patch
        grid = picture.unflatten(-1, (-1, side)).unflatten(2, (-1, side))
        # (rows, channels, high, side, wide, side) -> (rows, high, wide, channels, side, side)
        return grid.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
