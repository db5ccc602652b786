"""The situations that users of diffusers bring, a line each: a pipeline, a way to run it, its rows.

`rows` says, for a batch of so many, which rows are conditional by the pipeline's own order.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from PIL import Image
from torch import Tensor

A, B = "a red car on grass", "a red dog on grass"
CAR = 3
"""The token of "car" in A, and of "dog" in B."""

Rows = Callable[[int], list[int]]


def block(number: int, of: int) -> Rows:
    """The rows of one of several blocks of equal length."""
    return lambda count: list(range(number * count // of, (number + 1) * count // of))


GUIDED, ALONE = block(1, 2), block(0, 1)


@dataclass(frozen=True)
class Situation:
    """`make(sd, sdxl)` gives a pipeline, `run(pipe, prompt)` its latents.

    `every` is how many calls of the denoiser make a step's conditional pass visible again: 2 where
    a negative pass follows it, -2 where one goes before. `prompt` is what attach is told and the
    pipeline given. `exact` says whether edits can be compared: half precision magnifies what the
    order of operations does.
    """

    make: Callable[[Any, Any], Any]
    run: Callable[[Any, Any], Tensor]
    rows: Rows = GUIDED
    every: int = 1
    prompt: str | list[str] = A
    exact: bool = True


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def call(**settings: Any) -> Callable[[Any, Any], Tensor]:
    """A run by the pipeline's own call."""

    def run(pipe: Any, prompt: Any) -> Tensor:
        kind = {"num_inference_steps": 2, "generator": seeded(), "output_type": "latent"}
        out: Tensor = pipe(prompt, **kind | settings).images
        return out

    return run


SIZE = {"height": 64, "width": 64}
PICTURE = Image.effect_noise((64, 64), 90).convert("RGB")
MASK = Image.new("L", (64, 64), 255)


def of(
    name: str, channels: int = 4, unet: dict[str, Any] | None = None, **more: Any
) -> Callable[[Any, Any], Any]:
    """A pipeline of another class over the tiny models; its denoiser may be made otherwise."""

    def make(sd: Any, sdxl: Any) -> Any:
        base = sdxl if "XL" in name else sd
        kind = getattr(diffusers, name)
        parts = {key: part for key, part in base.components.items() if key != "scheduler"}
        parts["scheduler"] = copy.deepcopy(base.scheduler)
        if channels != 4 or unet:
            config = {"in_channels": channels} | (unet or {})
            parts["unet"] = sharpened(resized(parts["unet"], **config))
        known = set(kind._get_signature_keys(kind)[0]) | set(kind._get_signature_keys(kind)[1])
        extra = {key: make() if callable(make) else make for key, make in more.items()}
        pipe = kind(**{key: part for key, part in (parts | extra).items() if key in known})
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return make


def resized(unet: Any, **config: Any) -> Any:
    torch.manual_seed(0)
    return diffusers.UNet2DConditionModel(**{**unet.config, **config}).eval()


def sharpened(unet: Any) -> Any:
    """Queries and keys times 6: random attention is nearly uniform, and no row would show."""
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if name.endswith(("to_q.weight", "to_k.weight")):
                parameter.mul_(6)
    return unet


def scheduled(kind: str, **settings: Any) -> Callable[[Any, Any], Any]:
    """The tiny Stable Diffusion with another scheduler."""

    def make(sd: Any, sdxl: Any) -> Any:
        sd.scheduler = getattr(diffusers, kind).from_config(sd.scheduler.config, **settings)
        return sd

    return make


def loop(pipe: Any, prompt: Any, calls: int = 1) -> Tensor:
    """A denoising loop of one's own over a pipeline's parts, both sides at once or in two calls."""

    def encode(text: str) -> Tensor:
        ids = pipe.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt")
        embeds: Tensor = pipe.text_encoder(ids.input_ids)[0]
        return embeds

    sides = torch.cat([encode("blue"), encode(prompt)])
    pipe.scheduler.set_timesteps(2)
    latents = torch.randn(1, 4, 8, 8, generator=seeded())
    for timestep in pipe.scheduler.timesteps:
        rows = [
            pipe.unet(latents.expand(len(text), -1, -1, -1), timestep, encoder_hidden_states=text)
            for text in sides.chunk(calls)
        ]
        negative, positive = torch.cat([each.sample for each in rows]).chunk(2)
        noise = negative + 4 * (positive - negative)
        latents = pipe.scheduler.step(noise, timestep, latents).prev_sample
    return latents


def modular(sd: Any, sdxl: Any) -> Any:
    from diffusers.modular_pipelines.stable_diffusion_xl import StableDiffusionXLAutoBlocks

    pipe = StableDiffusionXLAutoBlocks().init_pipeline()
    pipe.update_components(**{name: part for name, part in sdxl.components.items() if part})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def run_modular(pipe: Any, prompt: Any) -> Tensor:
    kind = {"num_inference_steps": 2, "generator": seeded(), "output": "latents"}
    return pipe(prompt=prompt, negative_prompt="blue", **SIZE, **kind)  # type: ignore[no-any-return]


def beforehand(pipe: Any, prompt: Any) -> Tensor:
    """A run with embeddings that were made before, where nobody listened."""
    return call(prompt_embeds=pipe.kept[0], negative_prompt_embeds=pipe.kept[1])(pipe, None)


def kept(sd: Any, sdxl: Any) -> Any:
    sd.kept = sd.encode_prompt(A, "cpu", 1, True)
    return sd


def stops_guiding(pipe: Any, prompt: Any) -> Tensor:
    """Guidance that ends after the first step."""

    def cut(pipe: Any, step: int, timestep: Any, state: dict[str, Any]) -> dict[str, Any]:
        if step == 0:
            pipe._guidance_scale = 0.0
            state["prompt_embeds"] = state["prompt_embeds"][-1:]
        return state

    listen = {"callback_on_step_end": cut, "callback_on_step_end_tensor_inputs": ["prompt_embeds"]}
    return call(**listen)(pipe, prompt)


def last(count: int) -> list[int]:
    return [count - 1]


def with_lora(sd: Any, sdxl: Any) -> Any:
    from peft import LoraConfig

    torch.manual_seed(1)
    sd.unet.add_adapter(LoraConfig(r=4, target_modules=["to_q", "to_k"], init_lora_weights=False))
    return sd


def fused(sd: Any, sdxl: Any) -> Any:
    sd.fuse_qkv_projections()
    return sd


def with_ip_adapter(sd: Any, sdxl: Any) -> Any:
    """A tiny IP-Adapter of 4 tokens: a picture that every layer attends to beside the text."""
    drawn = seeded()

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=drawn)

    layers = {
        f"{number}.to_{part}_ip.weight": random(module.to_q.out_features, 16)
        for number, name in enumerate(sd.unet.attn_processors)
        for part in "kv"
        if (module := sd.unet.get_submodule(name.removesuffix(".processor"))).is_cross_attention
    }
    projection = {"proj.weight": random(64, 16), "proj.bias": random(64)}
    projection |= {"norm.weight": random(16), "norm.bias": random(16)}
    weights = {"image_proj": projection, "ip_adapter": layers}
    settings = {"subfolder": "", "weight_name": [""], "image_encoder_folder": None}
    sd.load_ip_adapter([weights], **settings)
    return sd


def seen_picture(pipe: Any, prompt: Any) -> Tensor:
    return call(ip_adapter_image_embeds=[torch.ones(2, 1, 16)])(pipe, prompt)


def autocast(pipe: Any, prompt: Any) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return call()(pipe, prompt)


IP2P, PAG = "StableDiffusionInstructPix2PixPipeline", "StableDiffusionPAGPipeline"
UPSCALER = {"low_res_scheduler": diffusers.DDPMScheduler, "max_noise_level": 350}
UPSCALES = of("StableDiffusionUpscalePipeline", 7, unet={"num_class_embeds": 1000}, **UPSCALER)
WHOLE = {"image": PICTURE, "mask_image": MASK, "strength": 1.0, **SIZE}
PERTURBED = of(PAG, pag_applied_layers="mid")
TWO = [A, B]

SITUATIONS = {
    "guided": Situation(kept, call(negative_prompt="blue", **SIZE)),
    "not guided": Situation(kept, call(guidance_scale=1.0, **SIZE), ALONE),
    "two prompts, two images each": Situation(kept, call(num_images_per_prompt=2), prompt=TWO),
    "the prompt is the negative prompt": Situation(kept, call(negative_prompt=A)),
    "image to image": Situation(
        of("StableDiffusionImg2ImgPipeline"), call(image=PICTURE, strength=0.7)
    ),
    "inpainting": Situation(of("StableDiffusionInpaintPipeline"), call(**WHOLE)),
    "inpainting, 9 channels": Situation(of("StableDiffusionInpaintPipeline", 9), call(**WHOLE)),
    "upscaler": Situation(UPSCALES, call(image=PICTURE.resize((16, 16)))),
    "InstructPix2Pix": Situation(of(IP2P, 8), call(image=PICTURE), block(0, 3)),
    "InstructPix2Pix, two images": Situation(
        of(IP2P, 8), call(image=[PICTURE] * 2, num_images_per_prompt=2), block(0, 3)
    ),
    "perturbed": Situation(PERTURBED, call(pag_scale=3.0), block(1, 3)),
    "perturbed, two images": Situation(
        PERTURBED, call(pag_scale=3.0, num_images_per_prompt=2), block(1, 3)
    ),
    "perturbed, not guided": Situation(
        PERTURBED, call(pag_scale=3.0, guidance_scale=1.0), block(0, 2)
    ),
    "SDXL": Situation(of("StableDiffusionXLPipeline"), call(**SIZE)),
    "SDXL, second encoder alone": Situation(
        of("StableDiffusionXLImg2ImgPipeline", text_encoder=None, tokenizer=None,
           unet={"cross_attention_dim": 16}),
        call(image=PICTURE, strength=0.7),
    ),
    "SDXL from 0.5 on": Situation(
        of("StableDiffusionXLImg2ImgPipeline"),
        call(image=PICTURE, denoising_start=0.5, num_inference_steps=4, guidance_scale=2.0),
    ),
    "modular SDXL": Situation(modular, run_modular, ALONE, every=2),
    "a loop of one's own": Situation(kept, loop),
    "a loop of two calls": Situation(
        kept, lambda pipe, prompt: loop(pipe, prompt, 2), ALONE, every=-2
    ),
    "embeddings made before": Situation(kept, beforehand),
    "guidance that ends": Situation(kept, stops_guiding, last),
    "a LoRA": Situation(with_lora, call()),
    "fused projections": Situation(fused, call()),
    "an IP-Adapter": Situation(with_ip_adapter, seen_picture),
    "autocast": Situation(kept, autocast, exact=False),
    "Heun": Situation(scheduled("HeunDiscreteScheduler"), call()),
    "PNDM": Situation(scheduled("PNDMScheduler", skip_prk_steps=True), call(num_inference_steps=6)),
    "DPM++ 2M Karras": Situation(
        scheduled("DPMSolverMultistepScheduler", use_karras_sigmas=True),
        call(num_inference_steps=6),
    ),
    "EDM": Situation(scheduled("EDMEulerScheduler"), call()),
}  # fmt: skip
