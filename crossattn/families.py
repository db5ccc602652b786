"""The families of models that are served: all that the library knows of each."""

from crossattn.blocks import (
    flux_block,
    packed_level,
    patch_level,
    transformer_block,
    unet_block,
    unet_level,
    video_level,
)
from crossattn.family import Encoder, Family
from crossattn.inputs import (
    Inputs,
    ListedInputs,
    PackedInputs,
    PairedInputs,
    RaggedInputs,
    VideoInputs,
)
from crossattn.templates import chat, flux2_template, lumina_template, qwen_template, sana_template

FAMILIES = (
    # An IP-Adapter's processor attends to the text first, then to each of its pictures.
    Family(
        "Stable Diffusion 1, 2 and XL",
        "UNet2DConditionModel",
        ("Attention",),
        {"AttnProcessor2_0": 0, "FusedAttnProcessor2_0": 0, "IPAdapterAttnProcessor2_0": 0},
        unet_block,
        unet_level,
        Inputs("sample"),
    ),
    Family(
        "PixArt α and Σ",
        "PixArtTransformer2DModel",
        ("Attention",),
        {"AttnProcessor2_0": 0},
        transformer_block,
        patch_level,
        Inputs(),
        encoders=(Encoder("t5", start=False, lowered=True, length="max_sequence_length"),),
        masked=True,
    ),
    # Some blocks of 3.5 have a second attention, of the image alone.
    Family(
        "Stable Diffusion 3 and 3.5",
        "SD3Transformer2DModel",
        ("Attention",),
        {"JointAttnProcessor2_0": 0, "FusedJointAttnProcessor2_0": 0},
        transformer_block,
        patch_level,
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
        # Those of emoji-sd3 were measured; of the real ones Seg4Diff (2025) found block 9 best.
        presets={6: ("blocks.3", "blocks.4", "blocks.5"), 24: ("blocks.9",)},
    ),
    # Its CLIP gives a pooled vector alone, which no pixel attends to.
    Family(
        "FLUX.1",
        "FluxTransformer2DModel",
        ("FluxAttention",),
        {"FluxAttnProcessor": 0},
        flux_block,
        packed_level,
        PackedInputs(),
        encoders=(
            Encoder(
                "t5", "tokenizer_2", "text_encoder_2", start=False, length="max_sequence_length"
            ),
        ),
        order="text-image",
        sides="calls",
        # The later double blocks: ConceptAttention (Helbling et al. 2025), Add-it (2024).
        presets={19: tuple(f"double.{number}" for number in range(13, 19))},
    ),
    # Its language model (Qwen's in klein, Mistral's in dev) reads the prompt as what a user says.
    Family(
        "FLUX.2",
        "Flux2Transformer2DModel",
        ("Flux2Attention", "Flux2ParallelSelfAttention"),
        {"Flux2AttnProcessor": 0, "Flux2ParallelSelfAttnProcessor": 0},
        flux_block,
        packed_level,
        PackedInputs(),
        encoders=(
            Encoder("llm", start=False, length="max_sequence_length", template=flux2_template),
        ),
        order="text-image",
        sides="calls",
    ),
    # FLUX.1's blocks, with a mask over the text.
    Family(
        "Chroma",
        "ChromaTransformer2DModel",
        ("FluxAttention",),
        {"FluxAttnProcessor": 0},
        flux_block,
        packed_level,
        PackedInputs(),
        encoders=(Encoder("t5", start=False, length="max_sequence_length"),),
        order="text-image",
        sides="calls",
        masked=True,
    ),
    # What its template says before the prompt is not given to the model.
    Family(
        "Qwen-Image",
        "QwenImageTransformer2DModel",
        ("Attention",),
        {"QwenDoubleStreamAttnProcessor2_0": 0},
        transformer_block,
        packed_level,
        PackedInputs(),
        encoders=(
            Encoder(
                "qwen",
                start=False,
                length="max_sequence_length",
                masked=True,
                template=qwen_template,
            ),
        ),
        order="text-image",
        sides="calls",
        masked=True,
    ),
    # Image and text are each filled up to a multiple of 32 tokens, the image first.
    Family(
        "Z-Image",
        "ZImageTransformer2DModel",
        ("Attention",),
        {"ZSingleStreamAttnProcessor": 0},
        transformer_block,
        packed_level,
        ListedInputs("x", "cap_feats", "t"),
        encoders=(
            Encoder(
                "qwen",
                start=False,
                length="max_sequence_length",
                masked=True,
                template=chat(True),
            ),
        ),
        order="image-text",
        sides="reversed",
        masked=True,
        skip=("noise_refiner", "context_refiner", "siglip_refiner"),
        rounded=32,
    ),
    # Eight tokens of the model's own stand before the text.
    Family(
        "AuraFlow",
        "AuraFlowTransformer2DModel",
        ("Attention",),
        {"AuraFlowAttnProcessor2_0": 0, "FusedAuraFlowAttnProcessor2_0": 0},
        transformer_block,
        patch_level,
        Inputs(),
        encoders=(Encoder("t5", start=False, length="max_sequence_length", masked=True),),
        order="text-image",
        registers=8,
    ),
    # Its sequence holds as much of the text as there is, before the image.
    Family(
        "Lumina 2",
        "Lumina2Transformer2DModel",
        ("Attention",),
        {"Lumina2AttnProcessor2_0": 0},
        transformer_block,
        patch_level,
        RaggedInputs(),
        encoders=(
            Encoder(
                "gemma",
                length="max_sequence_length",
                template=lumina_template,
                bare_negative=True,
            ),
        ),
        order="text-image",
        sides="calls",
        masked=True,
        skip=("noise_refiner", "context_refiner"),
    ),
    # The image attends to itself by linear attention, which has no map.
    Family(
        "Sana",
        "SanaTransformer2DModel",
        ("Attention",),
        {"SanaAttnProcessor2_0": 0},
        transformer_block,
        patch_level,
        Inputs(),
        encoders=(
            Encoder(
                "gemma",
                lowered=True,
                length="max_sequence_length",
                template=sana_template,
                bare_negative=True,
                filled_behind=True,
            ),
        ),
        masked=True,
        skip=("attn1",),
    ),
    # Padding of either text is the model's own token, and attended to.
    Family(
        "HunyuanDiT",
        "HunyuanDiT2DModel",
        ("Attention",),
        {"HunyuanAttnProcessor2_0": 0, "FusedHunyuanAttnProcessor2_0": 0},
        transformer_block,
        patch_level,
        PairedInputs(),
        encoders=(
            Encoder("bert", length=77),
            Encoder("t5", "tokenizer_2", "text_encoder_2", start=False, length=256, behind="bert"),
        ),
    ),
    # It has no mask for its text, which is followed by zeros.
    Family(
        "Wan",
        "WanTransformer3DModel",
        ("WanAttention",),
        {"WanAttnProcessor": 0},
        transformer_block,
        video_level,
        VideoInputs(),
        encoders=(Encoder("t5", start=False, length="max_sequence_length", masked=True),),
        sides="calls",
        scale="vae_scale_factor_spatial",
    ),
    Family(
        "LTX-Video",
        "LTXVideoTransformer3DModel",
        ("LTXAttention",),
        {"LTXVideoAttnProcessor": 0},
        transformer_block,
        video_level,
        VideoInputs(frame=None),
        encoders=(Encoder("t5", start=False, length="max_sequence_length"),),
        masked=True,
        alone=("attn1",),
        scale="vae_spatial_compression_ratio",
    ),
    Family(
        "CogVideoX",
        "CogVideoXTransformer3DModel",
        ("Attention",),
        {"CogVideoXAttnProcessor2_0": 0, "FusedCogVideoXAttnProcessor2_0": 0},
        transformer_block,
        video_level,
        VideoInputs(frame=1),
        encoders=(Encoder("t5", start=False, length="max_sequence_length"),),
        order="text-image",
        scale="vae_scale_factor_spatial",
    ),
    # Text and image have norms of their own, and a gate lets in what the text says.
    Family(
        "Lumina-Next",
        "LuminaNextDiT2DModel",
        ("Attention",),
        {"LuminaAttnProcessor2_0": 0},
        transformer_block,
        patch_level,
        Inputs(),
        encoders=(Encoder("gemma", length="max_sequence_length"),),
        masked=True,
        sides="reversed",
    ),
)
