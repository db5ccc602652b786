"""What differs between models: a `Family` says how to read a denoiser, its layers and its text."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crossattn.inputs import Inputs
from crossattn.word_tokens import TextReader

Kind = Literal["cross", "self"]


@dataclass(frozen=True)
class Template:
    """What a pipeline puts before and behind a prompt, and the tokens that it drops of the whole.

    Those are the first, and the one past the last.
    """

    before: str = ""
    behind: str = ""
    dropped: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Encoder:
    """A text encoder of a family: the name that people see, and the pipeline's parts for it.

    `start` says whether its sequence opens with a start token, `lowered` whether the pipeline
    lower-cases a text before it tokenizes it. `length` is that of its sequence, or the pipeline's
    argument for it; the tokenizer's own unless given. It stands beside the others
    in one sequence, channel by channel, or behind the one called `behind`. `masked` says that the
    pipeline hands on what was read alone, followed by zeros. `template` tells of a pipeline what it
    puts around a prompt, and around a negative one too unless `bare_negative`. `filled_behind`
    says that the pipeline puts padding behind a text, whatever its tokenizer does, and `stretched`
    that longer prompts may be read in several stretches.
    """

    name: str
    tokenizer: str = "tokenizer"
    module: str = "text_encoder"
    start: bool = True
    lowered: bool = False
    length: str | int | None = None
    behind: str | None = None
    masked: bool = False
    template: Callable[[Any], Template] | None = None
    bare_negative: bool = False
    filled_behind: bool = False
    stretched: bool = False

    def reader(self, pipe: Any, offset: int, *, negative: bool = False) -> TextReader:
        """How `pipe` has a prompt read, its tokens standing from `offset` on."""
        tokenizer = getattr(pipe, self.tokenizer)
        tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # a processor's, of pictures too
        bare = self.template is None or (negative and self.bare_negative)
        around = Template() if bare or self.template is None else self.template(pipe)
        behind = self.masked or self.filled_behind
        left = getattr(tokenizer, "padding_side", "right") == "left" and not behind
        return TextReader(
            tokenizer,
            self.limit(pipe),
            offset,
            self.lowered,
            around.before,
            around.behind,
            around.dropped,
            left,
            self.stretched,
        )

    def limit(self, pipe: Any) -> int:
        """The length of the sequence that the pipeline makes, in tokens, unless its caller asks."""
        if isinstance(self.length, int):
            return self.length
        asked = inspect.signature(type(pipe).__call__).parameters.get(self.length or "")
        if asked is not None and isinstance(asked.default, int):
            return asked.default
        return int(getattr(pipe, self.tokenizer).model_max_length)


@dataclass(frozen=True)
class Family:
    """All that the library must know of one kind of model.

    `title` is what people call its models; `denoiser` and `attention` are the host's classes by
    name. `processors` gives, for each of its attention processors that can be served, which of its
    calls of `scaled_dot_product_attention` meets the text; `inputs` says how it is given latents
    and text. `block` turns a layer's name into its block's, `level` says how often a block's grid
    halves the latent's. `encoders` are its text encoders.

    `order` says what a sequence holds: "cross" one of image or text, and joint attention both, the
    image or the text first; `masked` that a mask keeps pixels from some of the text. Layers with
    one of `alone` in their name hold the image alone, those with one of `skip` are not served.
    `registers` tokens stand before the text and belong to none; an image before the text is filled
    up to a multiple of `rounded` tokens. `sides` says how guidance is asked for: in one batch, the
    negative rows first or, "reversed", last, or in "calls" of their own. `presets` names, by the
    number of a model's layers, the blocks that are known to find words best. `scale` is the
    pipeline's name for how many pixels make one of the latent's.
    """

    title: str
    denoiser: str
    attention: tuple[str, ...]
    processors: Mapping[str, int]
    block: Callable[[str], str]
    level: Callable[[str, Any], int]
    inputs: Inputs
    encoders: tuple[Encoder, ...] = (
        Encoder("clip", stretched=True),
        Encoder("clip-2", "tokenizer_2", "text_encoder_2", stretched=True),
    )
    order: Literal["cross", "image-text", "text-image"] = "cross"
    masked: bool = False
    alone: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    sides: Literal["batch", "reversed", "calls"] = "batch"
    registers: int = 0
    rounded: int = 1
    presets: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    scale: str = "vae_scale_factor"

    def kinds(self, name: str, attention: Any) -> tuple[Kind, ...]:
        """What the layer's image attends to; read from the layer itself, since names mislead."""
        parts = name.split(".")
        if any(part in parts for part in self.skip):
            return ()
        if any(part in parts for part in self.alone):
            return ("self",)
        if self.order != "cross":
            return "cross", "self"
        # A class that does not say holds the text in all layers but those named `alone`.
        return ("cross",) if getattr(attention, "is_cross_attention", True) else ("self",)

    def stretches(self, pixels: int, tokens: int) -> tuple[slice, slice]:
        """Where image and text stand in a joint sequence."""
        if self.order == "image-text":
            first = -(-pixels // self.rounded) * self.rounded
            return slice(0, pixels), slice(first, first + tokens)
        first = self.registers
        return slice(first + tokens, first + tokens + pixels), slice(first, first + tokens)

    def located(self, denoiser: Any) -> tuple[str, ...]:
        """The blocks of `denoiser` that are known to find words best; none where nobody knows."""
        return self.presets.get(int(getattr(denoiser.config, "num_layers", 0) or 0), ())

    def serves(self, processor: Any) -> bool:
        """Whether a layer that runs that processor can be recorded and edited."""
        return type(processor).__name__ in self.processors
