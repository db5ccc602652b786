"""From words to a picture: the denoising loop of Stable Diffusion, SDXL and 3, a step at a time.

It does what the pipelines' own call does, in the same order and to the last bit, but as a generator
that can be watched, paused and left. Rows of a guided batch are [negative, positive].
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.errors import RecipeError, UnsupportedModelError
from crossattn.pipelines.joint import (
    decode_joint,
    denoiser_of,
    flow_shift,
    follows_flow,
    is_joint,
    text_options,
    velocity,
)

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.inversion import Following
    from crossattn.pipelines.load import Pipeline
    from crossattn.pipelines.recipe import SchedulerName


_UPCASTING = Lock()


@dataclass(frozen=True)
class Conditioning:
    """What the text says to the denoiser.

    `embeds` (rows, tokens, channels); `pooled` (rows, channels) only for SDXL; rows is 2 where
    `guided`, else 1, for each picture. With `parts` the rows are of prompts that draw one picture
    together, each with its weight.
    """

    embeds: Tensor
    pooled: Tensor | None
    guided: bool
    parts: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Progress:
    """The denoiser has been called `index + 1` times of `total`, the last time at `timestep`.

    `latents` (pictures, channels, height / factor, width / factor) are what the scheduler made of
    it.
    """

    index: int
    total: int
    timestep: float
    latents: Tensor


def scheduler_class(name: "SchedulerName") -> tuple[Any, dict[str, Any]]:
    """Return the diffusers class of a recipe's scheduler name, and the settings it needs."""
    import diffusers

    classes: dict[str, tuple[Any, dict[str, Any]]] = {
        "ddim": (diffusers.DDIMScheduler, {}),
        "dpm++": (diffusers.DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
        "euler": (diffusers.EulerDiscreteScheduler, {}),
        "euler-a": (diffusers.EulerAncestralDiscreteScheduler, {}),
        "heun": (diffusers.HeunDiscreteScheduler, {}),
        "lcm": (diffusers.LCMScheduler, {}),
    }
    return classes[name]


def with_own_scheduler(pipe: "Pipeline", name: "SchedulerName | None") -> "Pipeline":
    """Return a pipeline over the same components, with a scheduler of its own (None: the same)."""
    own = copy.copy(pipe)
    planned = pipe.scheduler
    if name and follows_flow(planned):
        raise RecipeError(
            f"The scheduler {name} does not fit this model, which follows a flow: leave it out, "
            f"for the model's own ({type(planned).__name__})."
        )
    kind, settings = scheduler_class(name) if name else (type(planned), {})
    own.scheduler = kind.from_config(planned.config, **settings)
    return own


def guided_by_text(pipe: "Pipeline", guidance: float) -> bool:
    """Whether a second row is drawn by: not where a model was distilled to take guidance itself."""
    return guidance > 1 and _distilled(pipe) is None


@torch.no_grad()
def encode(pipe: "Pipeline", prompt: str, negative_prompt: str, guidance: float) -> Conditioning:
    """Encode the texts; a blank negative prompt is the pipeline's own idea of none."""
    guided = guided_by_text(pipe, guidance)
    embeds, negative, *pooled = pipe.encode_prompt(
        prompt=prompt,
        device=pipe._execution_device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=guided,
        negative_prompt=negative_prompt if negative_prompt.strip() else None,
        **text_options(pipe),
    )
    if guided:
        embeds = torch.cat([negative, embeds])
    if not pooled:
        return Conditioning(embeds, None, guided)
    positive, negative = pooled
    return Conditioning(embeds, torch.cat([negative, positive]) if guided else positive, guided)


@torch.no_grad()
def denoise(
    pipe: "Pipeline",
    text: Conditioning | Sequence[Conditioning],
    *,
    steps: int,
    guidance: float,
    height: int,
    width: int,
    generator: torch.Generator | list[torch.Generator],
    before: Sequence[Tensor] = (),
    start: Tensor | None = None,
    follow: "Following | None" = None,
    at_step: Callable[[int], None] | None = None,
) -> Iterator[Progress]:
    """Denoise a picture of `height` x `width` pixels, telling of every call of the denoiser.

    A sequence of texts has one for each step. The last `Progress.latents` are the finished ones.
    The noise comes from `generator`; a list of them makes one picture each, with as many rows in
    `text` (all negative ones first). The first calls are left out for which `before` has what the
    scheduler was given then, in a run from the same noise: (channels, height / factor, width /
    factor) each. With `start` (1, channels, height / factor, width / factor) the latents begin
    there instead; an edit that is to `follow` the run of a picture begins where that did. `at_step`
    is told the number of the step before each other call.
    """
    device = pipe._execution_device
    pipe.scheduler.set_timesteps(steps, device=device, **flow_shift(pipe, height, width))
    timesteps = pipe.scheduler.timesteps
    count = len(generator) if isinstance(generator, list) else 1
    texts = [text] if isinstance(text, Conditioning) else text
    dtype = texts[0].embeds.dtype
    # A scheduler of second order asks twice within a step.
    step_at = {each: step for step, each in enumerate(dict.fromkeys(map(float, timesteps)))}
    begin = follow.start if follow else start
    if begin is None:
        channels = denoiser_of(pipe).config.in_channels
        latents = pipe.prepare_latents(
            count, channels, height, width, dtype, device, generator, None
        )
    else:
        latents = begin.to(device, dtype)
    joint = is_joint(pipe)
    extra = {} if joint else pipe.prepare_extra_step_kwargs(generator, 0.0)
    added = [None if joint else added_conditions(each, height, width) for each in texts]
    # SDXL begins so, and repeated timesteps would otherwise be found at their second place.
    if (added[0] or before or follow) and hasattr(pipe.scheduler, "set_begin_index"):
        pipe.scheduler.set_begin_index(0)
    elif follow:
        # The model may first be shown another timestep than the schedule's.
        pipe.scheduler.begin_index = 0

    for index, timestep in enumerate(timesteps):
        now = min(step_at[float(timestep)], len(texts) - 1)
        said = texts[now]
        copies = (1 + said.guided) * len(said.parts or (1,))
        if index < len(before):
            # The scheduler walks there, so that its history and what it draws are as they were.
            known = before[index][None].to(latents)
            latents = pipe.scheduler.step(known, timestep, latents, **extra, return_dict=False)[0]
            continue
        if at_step is not None:
            at_step(now)
        shown, at = latents, timestep
        if follow:
            shown, seen_at = follow.shown(index, latents)
            at = torch.tensor(seen_at, device=device)
        rows = torch.cat([shown] * copies) if copies > 1 else shown
        rows = rows if joint else pipe.scheduler.scale_model_input(rows, timestep)
        if joint:
            noise = velocity(pipe, rows, at, said.embeds, said.pooled)
        else:
            noise = pipe.unet(
                rows,
                at,
                encoder_hidden_states=said.embeds,
                timestep_cond=_guidance_embedding(pipe, guidance, latents),
                added_cond_kwargs=added[now],
                return_dict=False,
            )[0]
        if said.guided:
            without, within = noise.chunk(2)
            apart = within - without
            if said.parts:
                without, apart = without[:1], _summed(apart, said.parts)
            if follow:
                apart = follow.guided(apart)
            noise = without + guidance * apart
        if follow:
            noise = follow.answer(index, latents, noise)
        latents = pipe.scheduler.step(noise, timestep, latents, **extra, return_dict=False)[0]
        yield Progress(index, len(timesteps), float(timestep), latents)


def check_finite(latents: Tensor) -> None:
    """Raise UnsupportedModelError where latents (pictures, ...) are no numbers any more."""
    if not latents.isfinite().all():
        raise UnsupportedModelError(
            "The values of pictures drawn together stopped being numbers; draw each alone."
            if len(latents) > 1
            else "The model's values stopped being numbers (NaN or infinite) on the way to the "
            "picture; use dtype float32, or less guidance."
        )


def _summed(apart: Tensor, weights: Sequence[float]) -> Tensor:
    """What prompts joined by AND ask for, each times its weight, added up: one picture's."""
    return (apart * apart.new_tensor(weights).view(-1, 1, 1, 1)).sum(0, keepdim=True)


def added_conditions(text: Conditioning, height: int, width: int) -> dict[str, Tensor] | None:
    """Return what SDXL is told besides the words (pooled text, size in pixels); None for others."""
    if text.pooled is None:
        return None
    sizes = torch.tensor([[height, width, 0, 0, height, width]], dtype=text.embeds.dtype)
    sizes = sizes.repeat(len(text.embeds), 1).to(text.embeds.device)
    return {"text_embeds": text.pooled.to(text.embeds.device), "time_ids": sizes}


@torch.no_grad()
def decode(
    pipe: "Pipeline", latents: Tensor, dtype: torch.dtype, generator: torch.Generator
) -> tuple["Image.Image", bool]:
    """Turn latents (1, channels, height, width) into a picture, and say if it was censored.

    `dtype` is that of the text's embedding, which the safety checker is given.
    """
    flagged = None
    if is_joint(pipe):
        image = decode_joint(pipe, latents)
    elif hasattr(pipe, "safety_checker"):
        scaled = latents / pipe.vae.config.scaling_factor
        image = pipe.vae.decode(scaled, return_dict=False, generator=generator)[0]
        image, flagged = pipe.run_safety_checker(image, pipe._execution_device, dtype)
    else:
        with _UPCASTING:  # Runs in other threads decode by the same autoencoder.
            image = _decode_xl(pipe, latents)
        if pipe.watermark is not None:
            image = pipe.watermark.apply_watermark(image)
    censored = bool(flagged and flagged[0])
    picture = pipe.image_processor.postprocess(
        image, output_type="pil", do_denormalize=[not censored]
    )[0]
    pipe.maybe_free_model_hooks()
    return picture, censored


def _decode_xl(pipe: "Pipeline", latents: Tensor) -> Tensor:
    vae = pipe.vae
    # SDXL's first autoencoder overflows in float16.
    upcast = vae.dtype == torch.float16 and vae.config.force_upcast
    if upcast:
        vae.to(dtype=torch.float32)
    latents = latents.to(next(iter(vae.post_quant_conv.parameters())).dtype)
    mean, std = (getattr(vae.config, f"latents_{name}", None) for name in ("mean", "std"))
    if mean is not None and std is not None:
        mean, std = (torch.tensor(each).view(1, -1, 1, 1).to(latents) for each in (mean, std))
        latents = latents * std / vae.config.scaling_factor + mean
    else:
        latents = latents / vae.config.scaling_factor
    try:
        return vae.decode(latents, return_dict=False)[0]  # type: ignore[no-any-return]
    finally:
        if upcast:
            vae.to(dtype=torch.float16)


def _distilled(pipe: "Pipeline") -> int | None:
    """The size of a UNet's input for guidance, of one that was distilled to take it so."""
    size: int | None = denoiser_of(pipe).config.get("time_cond_proj_dim")
    return size


def _guidance_embedding(pipe: "Pipeline", guidance: float, latents: Tensor) -> Tensor | None:
    size = _distilled(pipe)
    if size is None:
        return None
    embedding = pipe.get_guidance_scale_embedding(torch.tensor([guidance - 1]), embedding_dim=size)
    return embedding.to(latents)  # type: ignore[no-any-return]
