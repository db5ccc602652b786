"""A tiny pipeline of each family with random weights, and what each is drawn with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from tiny_texts import (
    clip_encoder,
    gemma_tokenizer,
    language_model,
    qwen_tokenizer,
    t5_encoder,
    t5_tokenizer,
)

from tests.conftest import tiny_tokenizer

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
        if not guided:
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


def sharpened(denoiser: Any, by: float = 4.0) -> Any:
    """The same with queries that tell keys apart, and blocks whose attention makes a difference.

    So maps are not flat, and an edit is far above what rounding does.
    """
    with torch.no_grad():
        for name, weights in denoiser.named_parameters():
            if name.endswith(("to_q.weight", "add_q_proj.weight", "norm_q.weight")):
                weights.mul_(by)
            modulates = "norm" in name or "adaLN" in name or "modulation" in name
            if modulates and name.endswith(("linear.weight", "1.weight", "0.weight")):
                weights.mul_(10)
            if "norm" not in name and weights.ndim == 1 and "gate" not in name:
                weights.normal_(0, 0.02)
    return denoiser.eval()


def vae(latents: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=latents,
        norm_num_groups=2,
        sample_size=64,
        shift_factor=0.0,
        scaling_factor=1.0,
    ).eval()


def flux2_vae() -> Any:
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
    ).eval()


def flow() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler()


def sd3() -> Any:
    """Stable Diffusion 3.5: two CLIPs side by side, T5 behind them; a block of two attentions."""
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    clip, t5 = tiny_tokenizer(), t5_tokenizer()
    torch.manual_seed(0)
    denoiser = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_projection_dim=16,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        out_channels=4,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=clip_encoder(clip, 16),
        tokenizer=clip,
        text_encoder_2=clip_encoder(clip, 16, seed=3),
        tokenizer_2=clip,
        text_encoder_3=t5_encoder(t5, 32),
        tokenizer_3=t5,
    )


def flux() -> Any:
    """FLUX.1: T5 before the image, in double blocks and in single ones."""
    from diffusers import FluxPipeline, FluxTransformer2DModel

    clip, t5 = tiny_tokenizer(), t5_tokenizer()
    torch.manual_seed(0)
    denoiser = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    return FluxPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=clip_encoder(clip, 16, pooled=False),
        tokenizer=clip,
        text_encoder_2=t5_encoder(t5, 32),
        tokenizer_2=t5,
    )


def pixart() -> Any:
    """PixArt α: cross-attention to T5, masked, its text lower-cased."""
    from diffusers import DDIMScheduler, PixArtAlphaPipeline, PixArtTransformer2DModel

    t5 = t5_tokenizer()
    torch.manual_seed(0)
    denoiser = PixArtTransformer2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,
        use_additional_conditions=False,
    )
    return PixArtAlphaPipeline(
        tokenizer=t5,
        text_encoder=t5_encoder(t5, 32),
        vae=vae(4),
        transformer=sharpened(denoiser),
        scheduler=DDIMScheduler(),
    )


def flux2() -> Any:
    """FLUX.2 klein: a language model before the image, single blocks of fused projections."""
    from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel

    qwen = qwen_tokenizer()
    torch.manual_seed(0)
    denoiser = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        axes_dims_rope=(4, 4, 4, 4),
        timestep_guidance_channels=16,
        guidance_embeds=False,
    )
    return Flux2KleinPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=flux2_vae(),
        text_encoder=language_model("Qwen3", qwen, 16, layers=28),
        tokenizer=qwen,
    )


def chroma() -> Any:
    """Chroma: FLUX.1's blocks with a mask over T5's padding."""
    from diffusers import ChromaPipeline, ChromaTransformer2DModel

    t5 = t5_tokenizer()
    torch.manual_seed(0)
    denoiser = ChromaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
        approximator_num_channels=8,
        approximator_hidden_dim=8,
        approximator_layers=1,
    )
    return ChromaPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=t5_encoder(t5, 32),
        tokenizer=t5,
    )


def qwen_image() -> Any:
    """Qwen-Image: what stands in its template before the prompt is dropped."""
    from diffusers import QwenImagePipeline, QwenImageTransformer2DModel

    qwen = qwen_tokenizer()
    torch.manual_seed(0)
    denoiser = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    pipe = QwenImagePipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=None,
        text_encoder=language_model("Qwen2", qwen, 16),
        tokenizer=qwen,
    )
    # As in the real tokenizer, all of the template before the prompt is dropped.
    before = pipe.prompt_template_encode.split("{}")[0]
    pipe.prompt_template_encode_start_idx = len(qwen.encode(before))
    return pipe


def z_image() -> Any:
    """Z-Image: image, then text, each filled up to 32 tokens; guided rows come second."""
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    qwen = qwen_tokenizer()
    torch.manual_seed(0)
    denoiser = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=4,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[4, 4, 8],
        axes_lens=[512, 64, 64],
    )
    return ZImagePipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=language_model("Qwen3", qwen, 16),
        tokenizer=qwen,
    )


def aura_flow() -> Any:
    """AuraFlow: eight tokens of the model's own before T5 and the image; two kinds of blocks."""
    from diffusers import AuraFlowPipeline, AuraFlowTransformer2DModel

    t5 = t5_tokenizer()
    torch.manual_seed(0)
    denoiser = AuraFlowTransformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        out_channels=4,
        pos_embed_max_size=64,
    )
    return AuraFlowPipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=t5_encoder(t5, 32),
        tokenizer=t5,
    )


def lumina2() -> Any:
    """Lumina 2: as much of the text as there is before the image; grouped keys and values."""
    from diffusers import Lumina2Pipeline, Lumina2Transformer2DModel

    gemma = gemma_tokenizer()
    torch.manual_seed(0)
    denoiser = Lumina2Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        hidden_size=32,
        num_layers=2,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        axes_dim_rope=(4, 4, 8),
        axes_lens=(512, 64, 64),
        cap_feat_dim=16,
    )
    return Lumina2Pipeline(
        transformer=sharpened(denoiser),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=language_model("Gemma2", gemma, 16),
        tokenizer=gemma,
    )


def sana() -> Any:
    """Sana: cross-attention to Gemma, of whose long instruction two tokens are kept."""
    from diffusers import SanaPipeline, SanaTransformer2DModel

    gemma = gemma_tokenizer()
    torch.manual_seed(0)
    denoiser = SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        sample_size=8,
    )
    return SanaPipeline(
        tokenizer=gemma,
        text_encoder=language_model("Gemma2", gemma, 16),
        vae=None,
        transformer=sharpened(denoiser),
        scheduler=flow(),
    )


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
    "flux2": Tiny(
        flux2,
        (("qwen", "text_encoder", 0),),
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
}


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
    return made.images
