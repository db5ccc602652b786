"""The maps of a picture that exists: noised to a few timesteps, one pass of the model each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossattn.errors import PromptError, RecipeError
from crossattn.pipelines.denoise import added_conditions, encode, with_own_scheduler
from crossattn.pipelines.joint import check_walked, follows_flow, is_joint, velocity
from crossattn.recorder import Recorder
from crossattn.session import attach
from crossattn.trace import Trace
from crossattn.words import Prompt

if TYPE_CHECKING:
    from PIL import Image

    from crossattn.pipelines.load import Pipeline


@torch.no_grad()
def trace_picture(
    pipe: "Pipeline",
    picture: "Image.Image",
    prompt: str | Prompt,
    *,
    timesteps: Sequence[int] = (300, 500),
    seed: int = 0,
    recorder: Recorder | None = None,
) -> Trace:
    """Record where the words of `prompt` would attend in `picture`, at its own size.

    The picture is encoded, noised to each of `timesteps` (0 to 999, the training schedule's; where
    the model follows a flow, thousandths of noise) with the same noise, and shown to the denoiser
    once at each, without guidance. `recorder` settles what is kept; the trace's steps are the
    timesteps, noisiest first. After the protocol of ConceptAttention (Helbling et al. 2025), read
    from cross-attention, and from less noise, which finds things better (samples/bench/truth.py).

    Raises `RecipeError` for timesteps that the schedule does not have, `PromptError` for a prompt
    without words, `UnsupportedModelError` for a pipeline that takes up no pictures.
    """
    recorder = recorder or Recorder()
    check_walked(pipe)
    last = pipe.scheduler.config.num_train_timesteps - 1
    if not timesteps or not all(0 <= each <= last and each == int(each) for each in timesteps):
        raise RecipeError(
            f"trace_picture(timesteps={tuple(timesteps)}): expected whole numbers from 0 to "
            f"{last}, one at least."
        )
    if not (prompt if isinstance(prompt, str) else prompt.text).strip():
        raise PromptError("trace_picture needs words to look for: give it a prompt.")
    pipe = with_own_scheduler(pipe, None if is_joint(pipe) else "ddim")
    text = encode(pipe, prompt if isinstance(prompt, str) else prompt.text, "", guidance=0)
    image = pipe.image_processor.preprocess(picture.convert("RGB")).to(pipe.device, pipe.vae.dtype)
    config = pipe.vae.config
    latents = pipe.vae.encode(image).latent_dist.mode() - (config.get("shift_factor") or 0)
    latents = latents * config.scaling_factor
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    schedule = torch.tensor(sorted(set(timesteps), reverse=True)).long()
    with attach(pipe, recorder, prompt=prompt, guided=False):
        # The trace's steps are these timesteps.
        scheduler = pipe.scheduler
        scheduler.timesteps, scheduler.num_inference_steps = schedule, len(schedule)
        if is_joint(pipe):
            scheduler.sigmas = schedule / scheduler.config.num_train_timesteps
        for timestep in schedule:
            signal, share = _shares(scheduler, timestep)
            noised = signal.to(latents) * latents + share.to(latents) * noise
            timestep = timestep.to(latents.device)
            if is_joint(pipe):
                noised = noised.to(pipe.transformer.dtype)
                velocity(pipe, noised, timestep, text.embeds, text.pooled)
            else:
                pipe.unet(
                    noised.to(pipe.unet.dtype),
                    timestep,
                    encoder_hidden_states=text.embeds,
                    added_cond_kwargs=added_conditions(text, *image.shape[-2:]),
                )
    return recorder.trace


def _shares(scheduler: Any, timestep: Tensor) -> tuple[Tensor, Tensor]:
    """How much of a picture and how much noise are in what is shown at a timestep."""
    if follows_flow(scheduler):
        noise = timestep / scheduler.config.num_train_timesteps
        return 1 - noise, noise
    alpha = scheduler.alphas_cumprod[timestep]
    return alpha.sqrt(), (1 - alpha).sqrt()
