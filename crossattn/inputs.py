"""How a denoiser is given its latents and its text, and how schedulers hold the latents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossattn.errors import UnsupportedModelError

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

    def frames(self, arguments: Arguments) -> int:
        """Frames of the latent: 1 for a picture."""
        return 1

    def rows(self, arguments: Arguments) -> int:
        """Rows of the batch."""
        return len(arguments[self.latents])

    def texts(self, arguments: Arguments) -> "tuple[Tensor, ...]":
        """The tensors that the text is given in."""
        return (arguments[self.text],)

    def embeds(self, arguments: Arguments) -> "Tensor":
        """What the text encoders made of the prompts: (rows, tokens, channels)."""
        return self.texts(arguments)[0]

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
        grid = latents.reshape(len(latents), height // side, width // side, -1, side, side)
        # (rows, high, wide, channels, side, side) -> (rows, channels, high, side, wide, side)
        return grid.permute(0, 3, 1, 4, 2, 5).reshape(len(latents), -1, height, width)

    def pack(self, picture: "Tensor") -> "Tensor":
        """A picture as the scheduler's latents: (rows, pixels, channels)."""
        side = self.patch
        rows, channels, height, width = picture.shape
        high, wide = height // side, width // side
        grid = picture.reshape(rows, channels, high, side, wide, side)
        # (rows, channels, high, side, wide, side) -> (rows, high, wide, channels, side, side)
        return grid.permute(0, 2, 4, 1, 3, 5).reshape(rows, high * wide, channels * side**2)


@dataclass(frozen=True)
class VideoInputs(Inputs):
    """Latents of several frames, counted by their axis `frame`: (rows, ., ., height, width).

    Where the latents are packed (rows, pixels, channels), `frame` is None, and arguments of their
    own give their frames, height and width.
    """

    frame: int | None = 2

    def size(self, arguments: Arguments) -> tuple[int, int]:
        """One frame's (height, width)."""
        if self.frame is None:
            return arguments["height"], arguments["width"]
        return super().size(arguments)

    def frames(self, arguments: Arguments) -> int:
        """Frames of the latent; raises `UnsupportedModelError` where a picture begins the video."""
        if arguments.get("encoder_hidden_states_image") is not None:
            raise UnsupportedModelError(
                "A video that begins with a picture attends to that picture's tokens too, which is "
                "not served; use the pipeline that draws from text alone."
            )
        if self.frame is None:
            return int(arguments["num_frames"])
        return int(arguments[self.latents].shape[self.frame])


@dataclass(frozen=True)
class PairedInputs(Inputs):
    """Two texts, of which `text_2` stands behind the other in the sequence attended to."""

    text_2: str = "encoder_hidden_states_t5"

    def texts(self, arguments: Arguments) -> "tuple[Tensor, ...]":
        """Both texts: (rows, tokens, channels), channels of their own."""
        return arguments[self.text], arguments[self.text_2]

    def embeds(self, arguments: Arguments) -> "Tensor":
        """Both, one behind the other, the narrower filled up: (rows, tokens, channels)."""
        from torch import cat
        from torch.nn.functional import pad

        texts = self.texts(arguments)
        widest = max(text.shape[-1] for text in texts)
        return cat([pad(text, (0, widest - text.shape[-1])) for text in texts], 1)

    def tokens(self, arguments: Arguments) -> int:
        """The text tokens that are attended to."""
        return sum(text.shape[1] for text in self.texts(arguments))


@dataclass(frozen=True)
class RaggedInputs(Inputs):
    """A text of which only what its mask lets through is attended to."""

    def tokens(self, arguments: Arguments) -> int:
        """The text tokens that are attended to; `UnsupportedModelError` if rows differ in that."""
        lengths = set(arguments["encoder_attention_mask"].sum(1).tolist())
        if len(lengths) != 1:
            raise UnsupportedModelError(
                "Prompts of different length stand at different places of this model's sequence "
                f"({', '.join(map(str, sorted(lengths)))} tokens); draw them one at a time."
            )
        return int(lengths.pop())


@dataclass(frozen=True)
class ListedInputs(Inputs):
    """Latents and texts given as lists of (channels, 1, height, width) and (tokens, channels)."""

    def size(self, arguments: Arguments) -> tuple[int, int]:
        """The latent's (height, width); raises `UnsupportedModelError` for several pictures."""
        first = arguments[self.latents][0]
        if isinstance(first, list):
            raise UnsupportedModelError(
                "Pictures that are given beside the prompt (omni mode) are not served."
            )
        return first.shape[-2], first.shape[-1]

    def texts(self, arguments: Arguments) -> "tuple[Tensor, ...]":
        """The text of each row: (tokens, channels)."""
        return tuple(arguments[self.text])

    def embeds(self, arguments: Arguments) -> "Tensor":
        """What the text encoders made of the prompts, then zeros: (rows, tokens, channels)."""
        from torch.nn.utils.rnn import pad_sequence

        padded: Tensor = pad_sequence(list(self.texts(arguments)), batch_first=True)
        return padded

    def tokens(self, arguments: Arguments) -> int:
        """The text tokens that are attended to: as many as the longest has, in whole 32s."""
        longest = max(len(each) for each in self.texts(arguments))
        return -(-longest // 32) * 32

    def picture(self, arguments: Arguments) -> "Tensor":
        """The latents as a picture: (rows, channels, height, width)."""
        from torch import stack

        return stack(list(arguments[self.latents])).squeeze(2)

    def moved(self, arguments: Arguments, by: "Tensor") -> Any:
        """The argument of latents, moved by (rows, channels, height, width)."""
        pairs = zip(arguments[self.latents], by, strict=True)
        return [latents + move[:, None] for latents, move in pairs]
