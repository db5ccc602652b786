"""The pipelines that can be loaded, and the classes that each of their parts may be of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Class = tuple[str, str]
"""A library and the name of a class in it, as model_index.json gives them."""


def _of(library: str, *names: str) -> tuple[Class, ...]:
    return tuple((library, name) for name in names)


_CLIP = _of("transformers", "CLIPTextModel", "CLIPTextModelWithProjection")
_T5 = _of("transformers", "T5EncoderModel")
_GEMMA = _of("transformers", "Gemma2Model", "Gemma2ForCausalLM")
_QWEN_VL = _of("transformers", "Qwen2_5_VLForConditionalGeneration")
_QWEN = _of("transformers", "Qwen3Model", "Qwen3ForCausalLM")
_KL = _of("diffusers", "AutoencoderKL", "AutoencoderTiny")
_TOKENIZERS = {
    name: _of("transformers", f"{name}Tokenizer", f"{name}TokenizerFast")
    for name in ("CLIP", "T5", "Gemma", "Qwen2")
}
_PICTURES: dict[str, tuple[Class, ...]] = {
    "safety_checker": _of("stable_diffusion", "StableDiffusionSafetyChecker"),
    "feature_extractor": _of(
        "transformers",
        "CLIPImageProcessor",
        "CLIPImageProcessorPil",
        "CLIPFeatureExtractor",
        "SiglipImageProcessor",
    ),
    "image_encoder": _of("transformers", "CLIPVisionModelWithProjection", "SiglipVisionModel"),
}
WITHOUT_WEIGHTS = ("tokenizer", "tokenizer_2", "tokenizer_3", "feature_extractor", "scheduler")


@dataclass(frozen=True)
class PipelineKind:
    """A pipeline's parts: those it must have, and those it may do without, with their classes.

    The scheduler, which may be any of diffusers', is not among them.
    """

    required: Mapping[str, tuple[Class, ...]]
    optional: Mapping[str, tuple[Class, ...]] = field(default_factory=dict)

    def knows(self, part: str, library: object, name: object) -> bool:
        """Whether a part may be of that class."""
        if part == "scheduler":
            return library == "diffusers" and isinstance(name, str) and name.endswith("Scheduler")
        classes = {**self.required, **self.optional}.get(part, ())
        return (library, name) in classes

    @property
    def denoiser(self) -> str:
        """The part that denoises."""
        return "unet" if "unet" in self.required else "transformer"


def _unet(**optional: tuple[Class, ...]) -> PipelineKind:
    required = {"unet": _of("diffusers", "UNet2DConditionModel"), "vae": _KL, "text_encoder": _CLIP}
    return PipelineKind({**required, "tokenizer": _TOKENIZERS["CLIP"]}, {**_PICTURES, **optional})


def _transformer(
    name: str,
    tokenizer: str,
    text_encoder: tuple[Class, ...],
    vae: tuple[Class, ...] = _KL,
    **more: tuple[Class, ...],
) -> PipelineKind:
    required = {
        "transformer": _of("diffusers", f"{name}Transformer2DModel"),
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": _TOKENIZERS[tokenizer],
    }
    optional: dict[str, tuple[Class, ...]] = {**_PICTURES}
    optional |= {part: more.pop(part) for part in ("text_encoder_3", "tokenizer_3") if part in more}
    return PipelineKind({**required, **more}, optional)


PIPELINES = {
    "StableDiffusionPipeline": _unet(),
    "StableDiffusionXLPipeline": _unet(text_encoder_2=_CLIP, tokenizer_2=_TOKENIZERS["CLIP"]),
    "StableDiffusion3Pipeline": _transformer(
        "SD3",
        "CLIP",
        _CLIP,
        text_encoder_2=_CLIP,
        tokenizer_2=_TOKENIZERS["CLIP"],
        text_encoder_3=_T5,
        tokenizer_3=_TOKENIZERS["T5"],
    ),
    "FluxPipeline": _transformer(
        "Flux", "CLIP", _CLIP, text_encoder_2=_T5, tokenizer_2=_TOKENIZERS["T5"]
    ),
    "PixArtAlphaPipeline": _transformer("PixArt", "T5", _T5),
    "PixArtSigmaPipeline": _transformer("PixArt", "T5", _T5),
    "SanaPipeline": _transformer("Sana", "Gemma", _GEMMA, _of("diffusers", "AutoencoderDC")),
    "QwenImagePipeline": _transformer(
        "QwenImage", "Qwen2", _QWEN_VL, _of("diffusers", "AutoencoderKLQwenImage")
    ),
    "ZImagePipeline": _transformer("ZImage", "Qwen2", _QWEN),
}
