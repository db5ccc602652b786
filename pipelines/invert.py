"""A picture that exists, taken up by a model: read, fitted, inverted, and put back."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image
from torch import Tensor

from crossattn.controls import SourceRecorder, SourceRun, Window
from crossattn.controls.support.source_run import EMPTY, LATENTS, SAID, SEEN, START
from crossattn.course import Course
from crossattn.encoders import tokenizers_of
from crossattn.errors import InputError, PromptError, RecipeError
from crossattn.inversion import Inversion
from crossattn.inversion_methods import DRAWN, Method, check_method, usual_method
from crossattn.pipelines.conditioning import stretches
from crossattn.pipelines.denoise import Progress, with_own_scheduler
from crossattn.pipelines.draw import draw
from crossattn.pipelines.existing import trace_picture
from crossattn.pipelines.joint import flow_shift, is_joint
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.null_text import NullText, check_guided
from crossattn.pipelines.picture import read_picture
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result, notes_on, word_shares
from crossattn.pipelines.settle import numbers, read, settle
from crossattn.pipelines.shipped import SHIPPED
from crossattn.recorder import Recorder
from crossattn.trace import Trace

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

GUIDANCE = 2.0
"""Of edits of pictures by the models that ship: samples/bench/pictures_truth.py measures it."""


@dataclass(frozen=True)
class Inverted:
    """A picture's run, its `result` (what the autoencoder keeps of it), and where its words are."""

    result: Result
    run: SourceRun
    seen: Trace
    picture: Image.Image


@dataclass(frozen=True)
class _Walked:
    result: Result
    run: SourceRun


def invert(
    pipe: "Pipeline",
    picture: Image.Image,
    caption: str,
    *,
    method: Method | None = None,
    steps: int | None = None,
    seed: int = 0,
    guidance: float | None = None,
    cross: Window = Window(),  # noqa: B008
    share: Window = Window(),  # noqa: B008
) -> SourceRun:
    """Invert a picture along its caption: the `SourceRun` that `SourceRecorder` keeps of a drawing.

    The picture has the size that it is to be worked on, in multiples that the model takes (see
    `fitted`). A UNet walks along DDIM, a flow along its own Euler steps, without guidance; `method`
    says what of it edits follow (`crossattn.inversion`). `cross` and `share` are the widest windows
    of edits to come, `guidance` what they will have (None: the model's own), which only "null-text"
    needs to know. Raises `PromptError`, `ControlError` for a method the model cannot do, and
    `RecipeError` for a size that does not suit it.
    """
    asked = Recipe(
        prompt=caption,
        seed=seed,
        steps=steps,
        guidance=guidance,
        width=picture.width,
        height=picture.height,
        scheduler=None if is_joint(pipe) else "ddim",
    )
    method = method or usual_method(flow=is_joint(pipe))
    *_, walked = _inverted(asked, pipe, picture, method, cross, share)
    assert isinstance(walked, _Walked)
    return walked.run


def keep_picture(
    recipe: Recipe,
    pipe: "Pipeline",
    *,
    bins: int = 1,
    heads: bool = False,
    cross: Window,
    share: Window,
    length: int = 1,
) -> Iterator[Progress | Inverted]:
    """Invert the picture that a recipe names: `Progress` per call, then an `Inverted`.

    Raises as `taken_up` does.
    """
    settled, whole = taken_up(recipe, pipe)
    assert settled.picture is not None and settled.picture.method is not None
    _, _, height, width = numbers(settled)
    picture = whole.resize((width, height), Image.Resampling.LANCZOS)
    method = settled.picture.method
    kept: dict[str, Any] = {"bins": bins, "heads": heads, "length": length}
    asked = settled.replace(edit=None)
    for event in _inverted(asked, pipe, picture, method, cross, share, **kept):
        if isinstance(event, Progress):
            yield event
    assert isinstance(event, _Walked)
    result, run = event.result, event.run
    seen = trace_picture(pipe, picture, recipe.prompt, seed=recipe.seed)
    told = replace(result, recipe=asked)
    yield Inverted(told, run, seen, whole)


def look(recipe: Recipe, pipe: "Pipeline", *, bins: int = 1, heads: bool = False) -> Result:
    """The picture that a recipe names, fitted to the model, and where its caption's words are.

    Raises as `taken_up` does.
    """
    started = time.perf_counter()
    settled, whole = taken_up(recipe, pipe)
    _, guidance, height, width = numbers(settled)
    picture = whole.resize((width, height), Image.Resampling.LANCZOS)
    recorder = Recorder(bins=min(bins, 2), heads=heads)
    trace = trace_picture(pipe, picture, recipe.prompt, seed=recipe.seed, recorder=recorder)
    return Result(
        image=picture,
        trace=trace,
        recipe=settled,
        sampler=type(pipe.scheduler).__name__,
        seconds=time.perf_counter() - started,
        words=tuple(word_shares(trace)),
        warnings=tuple(notes_on(settled, [trace.prompt], censored=False, guided=guidance > 1)),
    )


def taken_up(recipe: Recipe, pipe: "Pipeline") -> tuple[Recipe, Image.Image]:
    """A recipe of a picture with every choice filled in, and the picture as it was.

    Its size is the picture's, fitted. Raises `InputError` for a file that cannot be read or is not
    the one that the recipe names by its SHA-256, `RecipeError` for a scheduler that cannot be
    walked back, `PromptError` for a caption that is longer than the model reads at once,
    `ControlError` for a method that the model cannot do.
    """
    asked = recipe.picture
    assert asked is not None
    path = Path(asked.path)
    _check_caption(recipe, pipe)
    method = asked.method or usual_method(flow=is_joint(pipe))
    check_method(method, flow=is_joint(pipe))
    whole = read_picture(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if asked.sha256 not in (None, digest):
        raise InputError(
            f"{path} is not the picture that the recipe was made with: its SHA-256 begins with "
            f"{digest[:12]}, not {asked.sha256:.12}; give that file, or a recipe without sha256."
        )
    if recipe.scheduler not in (None, "ddim"):
        raise RecipeError(
            f"A picture is inverted along ddim or a flow's own steps, not {recipe.scheduler}; "
            "leave the scheduler out."
        )
    own = defaults_of(pipe)
    width, height = fitted(whole.size, own.width * own.height, own.multiple)
    filled: dict[str, Any] = {
        "picture": asked.model_copy(update={"sha256": digest, "method": method}).model_dump(),
        "scheduler": None if is_joint(pipe) else "ddim",
        "width": recipe.width or width,
        "height": recipe.height or height,
    }
    if recipe.guidance is None and recipe.model in SHIPPED:
        filled["guidance"] = GUIDANCE
    settled = settle(recipe.replace(**filled), pipe)
    if method == "null-text":
        check_guided(settled, pipe)
    return settled, whole


def fitted(size: tuple[int, int], pixels: int, multiple: int = 8) -> tuple[int, int]:
    """The (width, height) that a picture of `size` is worked on in, by the rule of all pictures.

    As many pixels as the model draws by itself (`pixels`), in the picture's own proportion, each
    side rounded to a multiple; nothing is cut off. Sides stay from 64 to 2048.
    """
    scale = (pixels / (size[0] * size[1])) ** 0.5
    least = -(-64 // multiple) * multiple
    width, height = (
        min(max(round(side * scale / multiple) * multiple, least), 2048 // multiple * multiple)
        for side in size
    )
    return width, height


def put_back(picture: Image.Image, edited: Image.Image, mask: Tensor | None) -> Image.Image:
    """The picture at its own size with the edited one in it, where `mask` bool (height, width) is.

    The seam is drawn over half a place of the mask's grid; outside it every pixel is the picture's
    own. Without a mask all of it is the edited one, resized.
    """
    if mask is not None and not mask.any():
        return picture
    large = edited.resize(picture.size, Image.Resampling.LANCZOS)
    if mask is None:
        return large
    size = picture.height, picture.width
    soft = F.interpolate(mask[None, None].float(), size=size, mode="bilinear")[0, 0]
    shares = Image.fromarray((soft * 255).round().numpy().astype(np.uint8))
    return Image.composite(large, picture, shares)


@torch.no_grad()
def encoded(pipe: "Pipeline", picture: Image.Image) -> Tensor:
    """A picture's latents (1, channels, height / factor, width / factor)."""
    image = pipe.image_processor.preprocess(picture.convert("RGB")).to(pipe.device, pipe.vae.dtype)
    config = pipe.vae.config
    mode = pipe.vae.encode(image).latent_dist.mode()
    latents: Tensor = (mode - (config.get("shift_factor") or 0)) * config.scaling_factor
    return latents


def _check_caption(recipe: Recipe, pipe: "Pipeline") -> None:
    caption, _ = read(recipe.prompt, tokenizers_of(pipe), recipe.notation)
    if caption.dropped or stretches(caption) > 1:
        least = min(encoding.size for encoding in caption.encodings)
        raise PromptError(
            f"The caption is longer than the {least - 2} tokens that the model reads at once; "
            "shorten it."
        )


def _inverted(
    asked: Recipe,
    pipe: "Pipeline",
    picture: Image.Image,
    method: Method,
    cross: Window,
    share: Window,
    *,
    bins: int = 1,
    heads: bool = False,
    length: int = 1,
) -> Iterator["Progress | _Walked"]:
    """Walk back from a picture of its size: `Progress`, then what is left of it and its run."""
    guided = settle(asked, pipe)
    if method == "null-text":
        check_guided(guided, pipe)
    # Inverted along its caption alone; guidance and the negative prompt are the edit's.
    asked = guided.replace(guidance=1.0, negative_prompt="")
    steps, _, height, width = numbers(asked)
    own = with_own_scheduler(pipe, asked.scheduler)
    own.scheduler.set_timesteps(steps, **flow_shift(own, height, width))
    course = Course.read(own.scheduler)
    inversion = Inversion(encoded(pipe, picture), course, method, asked.seed)
    recorder = SourceRecorder(cross=inversion.window(cross), self_attention=inversion.window(share))
    kept: dict[str, Any] = {"pipe": pipe, "bins": bins, "heads": heads, "length": length}
    calls = inversion.calls + steps * ((method in DRAWN) + (method == "null-text"))
    for event in draw([asked], controls=[recorder], inversion=inversion, **kept):
        if isinstance(event, Progress):
            yield replace(event, total=calls)
        else:
            result = event[0]
    run = inversion.run(recorder.run, tuple(map(float, own.scheduler.timesteps.tolist())))
    if method in DRAWN:
        # Such an inversion is taken for the noise of a drawing, whose run is the source.
        start, empties = run.tensors[START], None
        if method == "null-text":
            empties = NullText(course, torch.cat([start, run.tensors[LATENTS]]))
        recorder = SourceRecorder(cross=cross, self_attention=share)
        again = guided if empties else asked
        called = inversion.calls
        for event in draw([again], controls=[recorder], start=start, null_text=empties, **kept):
            if isinstance(event, Progress):
                yield replace(event, index=called, total=calls)
                called += 1
            else:
                result = event[0]
        drawn = recorder.run
        inverted = {name: getattr(run.kept, name) for name in ("method", "course", "seen_at")}
        tensors = {name: run.tensors[name] for name in (START, SEEN, SAID)}
        if empties and empties.embeds is not None:
            tensors[EMPTY] = empties.embeds
        run = SourceRun(replace(drawn.kept, **inverted), {**drawn.tensors, **tensors})
    yield _Walked(result, run)
