"""The maps of a picture that exists: noised to a few timesteps, one pass of the model each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from crossattn.errors import PromptError, RecipeError
from crossattn.pipelines.denoise import added_conditions, encode, with_own_scheduler
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
    timesteps: Sequence[int] = (300, 500, 700),
    seed: int = 0,
    recorder: Recorder | None = None,
) -> Trace:
    """Record where the words of `prompt` would attend in `picture`, at its own size.

    The picture is encoded, noised to each of `timesteps` (0 to 999, the training schedule's) with
    the same noise, and shown to the denoiser once at each, without guidance. `recorder` settles
    what is kept; the trace's steps are the timesteps, noisiest first. After the protocol of
    ConceptAttention (Helbling et al. 2025), read from cross-attention.

    Raises `RecipeError` for timesteps that the schedule does not have, `PromptError` for a prompt
    without words.
    """
    recorder = recorder or Recorder()
    last = pipe.scheduler.config.num_train_timesteps - 1
    if not timesteps or not all(0 <= each <= last and each == int(each) for each in timesteps):
        raise RecipeError(
            f"trace_picture(timesteps={tuple(timesteps)}): expected whole numbers from 0 to "
            f"{last}, one at least."
        )
    if not (prompt if isinstance(prompt, str) else prompt.text).strip():
        raise PromptError("trace_picture needs words to look for: give it a prompt.")
    pipe = with_own_scheduler(pipe, "ddim")
    text = encode(pipe, prompt if isinstance(prompt, str) else prompt.text, "", guidance=0)
    image = pipe.image_processor.preprocess(picture.convert("RGB")).to(pipe.device, pipe.vae.dtype)
    height, width = image.shape[-2:]
    generator = torch.Generator("cpu").manual_seed(seed)
    latents = pipe.vae.encode(image).latent_dist.mode() * pipe.vae.config.scaling_factor
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    schedule = torch.tensor(sorted(set(timesteps), reverse=True)).long()
    with attach(pipe, recorder, prompt=prompt, guided=False):
        # The trace's steps are these timesteps.
        pipe.scheduler.timesteps, pipe.scheduler.num_inference_steps = schedule, len(schedule)
        for timestep in schedule:
            alpha = pipe.scheduler.alphas_cumprod[timestep].to(latents)
            pipe.unet(
                (alpha.sqrt() * latents + (1 - alpha).sqrt() * noise).to(pipe.unet.dtype),
                timestep.to(latents.device),
                encoder_hidden_states=text.embeds,
                added_cond_kwargs=added_conditions(text, height, width),
            )
    return recorder.trace
