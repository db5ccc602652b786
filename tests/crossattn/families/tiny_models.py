"""The families of the matrix: a tiny pipeline of each, and what it is drawn with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from tiny_cross import hunyuan, lumina_next, pixart, sana
from tiny_joint import aura_flow, chroma, flux, flux2, flux2_dev, lumina2, qwen_image, sd3, z_image
from tiny_video import cogvideox, ltx, wan

PROMPT = "a red car left of a blue balloon on grass"


@dataclass(frozen=True)
class Tiny:
    """A pipeline and how it is run: 48 × 64 pixels, guided where the family can be.

    `encoders` has for each text that pixels attend to its name, the pipeline's part that reads it,
    and where its tokens begin. `order` is that of a sequence of both, with the image's `pixels`
    among them, or "cross". `sides` says which rows guidance makes conditional. `guided` and `alone`
    are the settings that ask for guidance and that leave it out. `layers` ends the names of the
    layers that meet the text, `further` of those that hold the image alone; `drops` says that what
    is read before the prompt is not given to the model. An image before the text is `filled` up to
    so many tokens; `registers` of the model's own stand before the text. `linear` says that the
    image attends to itself without a map.
    """

    make: Callable[[], Any]
    encoders: tuple[tuple[str, str, int], ...]
    order: str
    pixels: int = 12
    sides: str = "batch"
    guided: dict[str, Any] = field(default_factory=lambda: {"guidance_scale": 4.0})
    alone: dict[str, Any] = field(default_factory=lambda: {"guidance_scale": 1.0})
    settings: dict[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ("attn",)
    further: tuple[str, ...] = ()
    drops: bool = False
    size: tuple[int, int] = (48, 64)
    filled: int = 12
    registers: int = 0
    linear: bool = False

    def positive(self, visit: int, rows: int, guided: bool) -> range:
        """The conditional rows of a layer's visit of that number."""
        if not guided or self.sides == "none":
            return range(rows)
        if self.sides == "calls":
            return range(0 if visit % 2 else rows)
        return range(rows // 2) if self.sides == "reversed" else range(rows // 2, rows)

    def image(self, keys: int) -> slice:
        """Where the image stands in a sequence of that many."""
        if self.order == "text-image":
            return slice(keys - self.pixels, keys)
        return slice(0, self.pixels)

    def text(self, keys: int) -> slice:
        """Where the text stands in it."""
        if self.order == "text-image":
            return slice(self.registers, keys - self.pixels)
        return slice(self.filled if self.order == "image-text" else 0, keys)


TINY = {
    "sd3": Tiny(
        sd3,
        (
            ("clip", "text_encoder", 0),
            ("clip-2", "text_encoder_2", 0),
            ("t5", "text_encoder_3", 77),
        ),
        "image-text",
        settings={"max_sequence_length": 40},
        further=("attn2",),
    ),
    "flux": Tiny(
        flux,
        (("t5", "text_encoder_2", 0),),
        "text-image",
        sides="calls",
        guided={"true_cfg_scale": 4.0, "negative_prompt": "blue"},
        alone={},
        settings={"max_sequence_length": 40},
    ),
    "pixart": Tiny(
        pixart,
        (("t5", "text_encoder", 0),),
        "cross",
        settings={"use_resolution_binning": False, "clean_caption": False},
        layers=("attn2",),
    ),
    "flux2-dev": Tiny(
        flux2_dev,
        (("llm", "text_encoder", 0),),
        "text-image",
        sides="none",
        alone={"guidance_scale": 4.0},
        settings={"max_sequence_length": 300},
    ),
    "flux2": Tiny(
        flux2,
        (("llm", "text_encoder", 0),),
        "text-image",
        sides="calls",
        settings={"max_sequence_length": 96},
    ),
    "chroma": Tiny(
        chroma,
        (("t5", "text_encoder", 0),),
        "text-image",
        sides="calls",
        settings={"max_sequence_length": 40},
    ),
    "qwen-image": Tiny(
        qwen_image,
        (("qwen", "text_encoder", 0),),
        "text-image",
        sides="calls",
        guided={"true_cfg_scale": 4.0, "negative_prompt": "blue"},
        alone={"true_cfg_scale": 1.0},
        drops=True,
    ),
    "z-image": Tiny(
        z_image,
        (("qwen", "text_encoder", 0),),
        "image-text",
        sides="reversed",
        alone={"guidance_scale": 0.0},
        layers=("attention",),
        filled=32,
    ),
    "aura-flow": Tiny(
        aura_flow,
        (("t5", "text_encoder", 0),),
        "text-image",
        registers=8,
        settings={"max_sequence_length": 40},
    ),
    "lumina2": Tiny(
        lumina2,
        (("gemma", "text_encoder", 0),),
        "text-image",
        sides="calls",
        settings={"max_sequence_length": 300},
    ),
    "sana": Tiny(
        sana,
        (("gemma", "text_encoder", 0),),
        "cross",
        settings={
            "use_resolution_binning": False,
            "clean_caption": False,
            "max_sequence_length": 64,
        },
        layers=("attn2",),
        size=(96, 128),
        linear=True,
        drops=True,
    ),
    "lumina-next": Tiny(
        lumina_next,
        (("gemma", "text_encoder", 0),),
        "cross",
        sides="reversed",
        settings={"clean_caption": False},
        layers=("attn2",),
    ),
    "wan": Tiny(
        wan,
        (("t5", "text_encoder", 0),),
        "cross",
        pixels=24,
        sides="calls",
        settings={"num_frames": 5, "max_sequence_length": 40},
        layers=("attn2",),
    ),
    "ltx": Tiny(
        ltx,
        (("t5", "text_encoder", 0),),
        "cross",
        pixels=24,
        settings={"num_frames": 9, "max_sequence_length": 40},
        layers=("attn2",),
        size=(96, 128),
    ),
    "cogvideox": Tiny(
        cogvideox,
        (("t5", "text_encoder", 0),),
        "text-image",
        pixels=24,
        settings={"num_frames": 5, "max_sequence_length": 40},
        layers=("attn1",),
    ),
    "hunyuan": Tiny(
        hunyuan,
        (("bert", "text_encoder", 0), ("t5", "text_encoder_2", 77)),
        "cross",
        settings={"use_resolution_binning": False},
        layers=("attn2",),
    ),
}

KINDS = ["sd3", "flux", "pixart", "z-image"]
"""One of each kind: joint, image first; joint and packed, sides in calls of their own; masked
cross-attention; listed and reversed."""
EVERY = [pytest.param(name, marks=() if name in KINDS else pytest.mark.slow) for name in TINY]
"""All of them; in `make quick` one of each kind."""


def draw(name: str, pipe: Any, prompt: Any = PROMPT, *, guided: bool, steps: int = 2) -> Any:
    """The latents that a pipeline makes of a prompt, all pictures from one noise."""
    tiny = TINY[name]
    count = 1 if isinstance(prompt, str) else len(prompt)
    settings = dict(tiny.guided if guided else tiny.alone)
    if count > 1 and isinstance(settings.get("negative_prompt"), str):
        settings["negative_prompt"] = [settings["negative_prompt"]] * count
    generators = [torch.Generator().manual_seed(0) for _ in range(count)]
    made = pipe(
        prompt=prompt if isinstance(prompt, str) else list(prompt),
        num_inference_steps=steps,
        height=tiny.size[0],
        width=tiny.size[1],
        output_type="latent",
        generator=generators if count > 1 else generators[0],
        **settings,
        **tiny.settings,
    )
    return made.images if hasattr(made, "images") else made.frames
