"""Several pictures of one shape at once: the model is called once a step for all of them."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from crossattn.encoders import tokenizers_of
from crossattn.errors import UnsupportedModelError
from crossattn.pipelines.denoise import Conditioning, decode, denoise, encode, scheduled
from crossattn.pipelines.load import find_model, load
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, notes_on, numbers, read, settle, word_shares
from crossattn.recorder import Recorder
from crossattn.session import attach


def run_together(recipes: Sequence[Recipe]) -> list[Result]:
    """Make pictures of recipes that differ in prompts and seed alone, in one batch of the model.

    Edits, regions and weights act on one picture's attention: they are not for here. Each has the
    noise that it has alone, and is what it is alone but for rounding, which differs with the number
    of rows; `seconds` are shared out evenly. Raises CrossattnError in its kinds.
    """
    first = recipes[0]
    source = find_model(first.model, first.revision, first.config)
    where = first.model_dump(include={"revision", "config", "dtype", "device"})
    pipe = load(first.model, **where)
    tokenizers = tokenizers_of(pipe)
    started = time.perf_counter()
    settled = [settle(recipe, pipe, source) for recipe in recipes]
    steps, guidance, height, width = numbers(settled[0])
    prompts, negatives = (
        [read(text, tokenizers) for text in texts]
        for texts in ([s.prompt for s in settled], [s.negative_prompt for s in settled])
    )
    text = _joined(
        [
            encode(pipe, prompt.text, negative.text, guidance)
            for (prompt, _), (negative, _) in zip(prompts, negatives, strict=True)
        ]
    )
    generators = [torch.Generator("cpu").manual_seed(recipe.seed) for recipe in settled]
    recorder = Recorder()
    with (
        scheduled(pipe, first.scheduler),
        attach(
            pipe,
            recorder,
            prompt=[prompt for prompt, _ in prompts],
            negative_prompt=[negative for negative, _ in negatives],
            guided=text.guided,
        ),
    ):
        sampler = type(pipe.scheduler).__name__
        *_, last = denoise(
            pipe,
            text,
            steps=steps,
            guidance=guidance,
            height=height,
            width=width,
            generator=generators,
        )
        if not last.latents.isfinite().all():
            raise UnsupportedModelError(
                "The values of pictures drawn together stopped being numbers; draw each alone."
            )
        pictures = [
            decode(pipe, latents[None], text.embeds.dtype, generator)
            for latents, generator in zip(last.latents, generators, strict=True)
        ]
    seconds = (time.perf_counter() - started) / len(recipes)
    results = []
    for index, (image, censored) in enumerate(pictures):
        trace = recorder.trace.image(index)
        prompt, notes = prompts[index]
        results.append(
            Result(
                image=image,
                trace=trace,
                recipe=settled[index],
                sampler=sampler,
                seconds=seconds,
                words=tuple(word_shares(trace)),
                warnings=(
                    *notes,
                    *negatives[index][1],
                    *notes_on(settled[index], prompt, censored=censored),
                ),
            )
        )
    return results


def _joined(texts: Sequence[Conditioning]) -> Conditioning:
    """Stack as the denoiser wants it: all negative rows first, then all positive."""
    guided = texts[0].guided

    def stacked(rows: Sequence[Tensor]) -> Tensor:
        return torch.cat([row[side : side + 1] for side in range(1 + guided) for row in rows])

    pooled = [text.pooled for text in texts if text.pooled is not None]
    embeds = stacked([text.embeds for text in texts])
    return Conditioning(embeds, stacked(pooled) if pooled else None, guided)
