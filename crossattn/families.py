"""The families of models that are served: all that the library knows of each."""

import inspect
from collections.abc import Callable
from typing import Any

from crossattn.family import Encoder, Family, Template
from crossattn.inputs import Inputs, ListedInputs, PackedInputs, RaggedInputs


def _unet_block(name: str) -> str:
    block, index, *_ = name.split(".")
    return "mid" if block == "mid_block" else f"{block.removesuffix('_blocks')}.{index}"


def _unet_level(block: str, denoiser: Any) -> int:
    """Every down block but the last ends in a halving."""
    deepest = len(denoiser.down_blocks) - 1
    side, _, index = block.partition(".")
    if side == "mid":
        return deepest
    return int(index) if side == "down" else deepest - int(index)


def _transformer_block(name: str) -> str:
    """Its blocks as "blocks.0"; where there are several kinds, as "joint.0" and "single.0"."""
    blocks, index, *_ = name.split(".")
    kind = blocks.removesuffix("_blocks").removesuffix("transformer").removesuffix("_")
    return f"{kind or 'blocks'}.{index}"


def _patch_level(block: str, denoiser: Any) -> int:
    return (int(denoiser.config.patch_size) - 1).bit_length()


def _packed_level(block: str, denoiser: Any) -> int:
    return 1


def _qwen_template(pipe: Any) -> Template:
    before, behind = pipe.prompt_template_encode.split("{}")
    return Template(before, behind, (0, pipe.prompt_template_encode_start_idx))


def _chat(thinking: bool) -> Callable[[Any], Template]:
    """A prompt as what a user says to a language model."""

    def template(pipe: Any) -> Template:
        chat = pipe.tokenizer.apply_chat_template(
            [{"role": "user", "content": "\0"}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
        return Template(*chat.split("\0"))

    return template


def _sana_template(pipe: Any) -> Template:
    """An instruction, of which the model is given the first token and the last."""
    asked = inspect.signature(type(pipe).__call__).parameters.get("complex_human_instruction")
    instruction = "\n".join(asked.default or ()) if asked else ""
    if not instruction:
        return Template()
    return Template(instruction, "", (1, len(pipe.tokenizer.encode(instruction)) - 1))


def _lumina_template(pipe: Any) -> Template:
    return Template(f"{pipe.system_prompt} <Prompt Start> ")


FAMILIES = (
    # SD1.x, SD2.x, SDXL and everything built on their UNet. An IP-Adapter's processor attends to
    # the text first, then to each of its pictures.
    Family(
        "UNet2DConditionModel",
        ("Attention",),
        {"AttnProcessor2_0": 0, "FusedAttnProcessor2_0": 0, "IPAdapterAttnProcessor2_0": 0},
        _unet_block,
        _unet_level,
        Inputs("sample"),
    ),
    # PixArt α and Σ.
    Family(
        "PixArtTransformer2DModel",
        ("Attention",),
        {"AttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        Inputs(),
        encoders=(Encoder("t5", start=False, lowered=True, length="max_sequence_length"),),
        masked=True,
    ),
    # Stable Diffusion 3 and 3.5. Some blocks of 3.5 have a second attention, of the image alone.
    Family(
        "SD3Transformer2DModel",
        ("Attention",),
        {"JointAttnProcessor2_0": 0, "FusedJointAttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        Inputs(),
        encoders=(
            Encoder("clip"),
            Encoder("clip-2", "tokenizer_2", "text_encoder_2"),
            Encoder(
                "t5",
                "tokenizer_3",
                "text_encoder_3",
                start=False,
                length="max_sequence_length",
                behind="clip",
            ),
        ),
        order="image-text",
        alone=("attn2",),
    ),
    # FLUX.1. Its CLIP gives a pooled vector alone, which no pixel attends to.
    Family(
        "FluxTransformer2DModel",
        ("FluxAttention",),
        {"FluxAttnProcessor": 0},
        _transformer_block,
        _packed_level,
        PackedInputs(),
        encoders=(
            Encoder(
                "t5", "tokenizer_2", "text_encoder_2", start=False, length="max_sequence_length"
            ),
        ),
        order="text-image",
        sides="calls",
    ),
    # FLUX.2. Its language model reads the prompt as what a user says.
    Family(
        "Flux2Transformer2DModel",
        ("Flux2Attention", "Flux2ParallelSelfAttention"),
        {"Flux2AttnProcessor": 0, "Flux2ParallelSelfAttnProcessor": 0},
        _transformer_block,
        _packed_level,
        PackedInputs(),
        encoders=(
            Encoder("qwen", start=False, length="max_sequence_length", template=_chat(False)),
        ),
        order="text-image",
        sides="calls",
    ),
    # Chroma: FLUX.1's blocks, with a mask over the text.
    Family(
        "ChromaTransformer2DModel",
        ("FluxAttention",),
        {"FluxAttnProcessor": 0},
        _transformer_block,
        _packed_level,
        PackedInputs(),
        encoders=(Encoder("t5", start=False, length="max_sequence_length"),),
        order="text-image",
        sides="calls",
        masked=True,
    ),
    # Qwen-Image. What its template says before the prompt is not given to the model.
    Family(
        "QwenImageTransformer2DModel",
        ("Attention",),
        {"QwenDoubleStreamAttnProcessor2_0": 0},
        _transformer_block,
        _packed_level,
        PackedInputs(),
        encoders=(
            Encoder(
                "qwen",
                start=False,
                length="max_sequence_length",
                masked=True,
                template=_qwen_template,
            ),
        ),
        order="text-image",
        sides="calls",
        masked=True,
    ),
    # Z-Image. Image and text are each filled up to a multiple of 32 tokens, the image first.
    Family(
        "ZImageTransformer2DModel",
        ("Attention",),
        {"ZSingleStreamAttnProcessor": 0},
        _transformer_block,
        _packed_level,
        ListedInputs("x", "cap_feats", "t"),
        encoders=(
            Encoder(
                "qwen",
                start=False,
                length="max_sequence_length",
                masked=True,
                template=_chat(True),
            ),
        ),
        order="image-text",
        sides="reversed",
        masked=True,
        skip=("noise_refiner", "context_refiner", "siglip_refiner"),
        rounded=32,
    ),
    # AuraFlow. Eight tokens of the model's own stand before the text.
    Family(
        "AuraFlowTransformer2DModel",
        ("Attention",),
        {"AuraFlowAttnProcessor2_0": 0, "FusedAuraFlowAttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        Inputs(),
        encoders=(Encoder("t5", start=False, length="max_sequence_length", masked=True),),
        order="text-image",
        registers=8,
    ),
    # Lumina 2. Its sequence holds as much of the text as there is, before the image.
    Family(
        "Lumina2Transformer2DModel",
        ("Attention",),
        {"Lumina2AttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        RaggedInputs(),
        encoders=(
            Encoder(
                "gemma",
                length="max_sequence_length",
                template=_lumina_template,
                bare_negative=True,
            ),
        ),
        order="text-image",
        sides="calls",
        masked=True,
        skip=("noise_refiner", "context_refiner"),
    ),
    # Sana. The image attends to itself by linear attention, which has no map.
    Family(
        "SanaTransformer2DModel",
        ("Attention",),
        {"SanaAttnProcessor2_0": 0},
        _transformer_block,
        _patch_level,
        Inputs(),
        encoders=(
            Encoder(
                "gemma",
                lowered=True,
                length="max_sequence_length",
                template=_sana_template,
                bare_negative=True,
            ),
        ),
        masked=True,
        skip=("attn1",),
    ),
)
