"""What an edit leaves to the model, filled in: as samples/bench/editing_truth.py measured it."""

from typing import TYPE_CHECKING

from crossattn.controls import Alignment, Window, align
from crossattn.controls.blend import THRESHOLDS, usual_blend
from crossattn.controls.support.blend_places import By
from crossattn.controls.support.nouns import changed_nouns, only_qualities
from crossattn.controls.support.window import CROSS_WINDOW
from crossattn.denoiser import family_of
from crossattn.encoders import tokenizers_of
from crossattn.errors import ControlError
from crossattn.pipelines.edit_recipe import EditRecipe, Shares
from crossattn.pipelines.joint import denoiser_of
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.settle import read
from crossattn.words import Prompt

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

NONE = (0.0, 0.0)
PIXELS = (0.0, 0.6)
"""When pixels look where the source's did in joint attention, unless told."""
PIXELS_OF_PICTURES = (0.0, 0.4)
"""The same where the source was not drawn but existed."""
PIXELS_AROUND = (0.0, 0.2)
"""The same where a place changes, and so most of the picture."""
QUALITIES = (0.0, 0.8)
"""When words and pixels look where the source's did in a picture that exists, where nouns stay and
only what is said of them changes: its things keep their shape so. Chosen on pairs that
samples/bench/pictures_truth.py passes over."""
QUALITIES_TOGETHER = (0.0, 0.5)
"""The same in joint attention, where more of it keeps colours too."""


class SettledEdit(EditRecipe):
    """An edit that leaves no choice."""

    cross: Shares
    share: Shares
    by: By
    threshold: float


def settled_edit(recipe: Recipe, pipe: "Pipeline") -> SettledEdit:
    """The edit of a recipe with every choice filled in.

    Raises ControlError if the mode is "replace" and no word is swapped.
    """
    spec = recipe.edit
    assert spec is not None
    cross, share = windows(recipe, pipe)
    by = spec.by or usual_blend(family_of(denoiser_of(pipe)))
    choices = {
        "mode": aligned(*_prompts(recipe, pipe), spec).mode,
        "cross": cross,
        "share": share,
        "by": by,
        "threshold": THRESHOLDS[by] if spec.threshold is None else spec.threshold,
    }
    return SettledEdit(**{**spec.model_dump(), **choices})


def windows(recipe: Recipe, pipe: "Pipeline") -> tuple[Shares, Shares]:
    """When words, and when pixels, look where the source's did in a recipe's edit."""
    assert recipe.edit is not None
    joint = family_of(denoiser_of(pipe)).order != "cross"
    exists = recipe.picture is not None
    return usual_windows(recipe.edit, *_prompts(recipe, pipe), joint=joint, exists=exists)


def kept_windows(spec: SettledEdit) -> tuple[Window, Window]:
    """What of a source's cross- and self-attention an edit will need."""
    own = spec.words.values()
    cross = Window(
        min([spec.cross[0], *(start for start, _ in own)]),
        max([spec.cross[1], *(end for _, end in own)]),
    )
    return cross, Window(*spec.share)


def usual_windows(
    spec: EditRecipe, source: Prompt, target: Prompt, *, joint: bool, exists: bool = False
) -> tuple[Shares, Shares]:
    """When words, and when pixels, look where the source's did.

    Unless told, words do in cross-attention; in `joint` attention pixels do, which needs no
    alignment of words, and both where only qualities change. `exists` is that the picture does, and
    was not drawn.
    """
    cross: Shares = (CROSS_WINDOW.start, CROSS_WINDOW.end)
    share: Shares = NONE
    if joint:
        around = spec.blend == () and changed_nouns(source, target).things is not None
        cross, share = NONE, PIXELS_OF_PICTURES if exists else PIXELS
        if around:
            share = PIXELS_AROUND
    if exists and only_qualities(source, target):
        cross = share = QUALITIES_TOGETHER if joint else QUALITIES
    return spec.cross or cross, spec.share or share


def _prompts(recipe: Recipe, pipe: "Pipeline") -> tuple[Prompt, Prompt]:
    assert recipe.edit is not None
    tokenizers = tokenizers_of(pipe)
    source, target = (
        read(text, tokenizers, recipe.notation)[0] for text in (recipe.prompt, recipe.edit.prompt)
    )
    return source, target


def aligned(source: Prompt, target: Prompt, spec: EditRecipe) -> Alignment:
    """How the edit links the prompts; where it leaves the mode open, by whether words are swapped.

    Raises ControlError if the mode is "replace" and no word is.
    """
    if spec.mode is not None:
        return align(source, target, spec.mode)
    try:
        return align(source, target, "replace")
    except ControlError:
        return align(source, target, "refine")
