"""How much memory the run of a picture that exists takes while it is kept, told before it is."""

from typing import TYPE_CHECKING

from crossattn.controls import SourceRecorder
from crossattn.pipelines.denoise import encode, with_own_scheduler
from crossattn.pipelines.edit_choices import kept_windows, settled_edit
from crossattn.pipelines.invert import taken_up
from crossattn.pipelines.joint import denoiser_of
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.settle import numbers

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

NUMBER = 4
"""Bytes of one number of latents."""


def kept_nbytes(recipe: Recipe, pipe: "Pipeline") -> int:
    """The bytes that the run of a recipe's picture will take, kept for the recipe's edit.

    Nothing is inverted for it. Raises as `edit` does for a recipe that cannot be edited.
    """
    settled, _ = taken_up(recipe.source, pipe)
    steps, _, height, width = numbers(settled)
    cross, share = kept_windows(settled_edit(recipe, pipe))
    recorder = SourceRecorder(cross=cross, self_attention=share)
    own = with_own_scheduler(pipe, settled.scheduler)
    size = {"steps": steps, "height": height, "width": width}
    factor: int = pipe.vae_scale_factor
    latents: int = denoiser_of(pipe).config.in_channels * (height // factor) * (width // factor)
    # Beside what is kept of a drawing: where it begins, what was seen at each step, what was said.
    more = (1 + 2 * steps) * latents * NUMBER
    tokens, channels = encode(own, settled.prompt, "", guidance=1).embeds.shape[1:]
    if settled.picture is not None and settled.picture.method == "null-text":
        more += steps * tokens * channels * NUMBER
    return recorder.nbytes(own, settled.prompt, guided=False, tokens=tokens, **size) + more
