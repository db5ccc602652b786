"""What each method of taking up a picture does beside the others: by its formula, or refused."""

from typing import Any

import numpy as np
import pytest
import torch
from photographs import CAPTION, a_picture, last, recipe
from torch import Tensor

from crossattn import ControlError, RecipeError, null_text
from crossattn.inversion import Following
from crossattn.pipelines.edit import edit, keep_source
from crossattn.pipelines.invert import encoded, invert
from crossattn.pipelines.kept_size import kept_nbytes
from crossattn.pipelines.load import load


@pytest.mark.slow
def test_null_text_leads_a_guided_drawing_back_to_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe, picture = load("emoji-sd"), a_picture()
    apart = []
    for rounds in (0, 30):
        monkeypatch.setattr(null_text, "ROUNDS", rounds)
        run = invert(pipe, picture, CAPTION, method="null-text", steps=2, guidance=4.0)
        apart.append((run.tensors["latents"][-1:] - encoded(pipe, picture)).square().mean())
    assert apart[1] < 0.7 * apart[0]


def test_what_null_text_found_is_kept_and_used_by_the_edit(
    sd_pipe: Any, photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(null_text, "ROUNDS", 6)
    every = {"cross": (0, 1), "share": (0, 1), "blend": None}
    asked = recipe(photo, picture={"method": "null-text"}, edit=every)
    source = last(keep_source(asked, pipe=sd_pipe))
    empty = source.run.tensors["empty"]
    assert len(empty) == 3
    assert not torch.equal(empty[0], empty[1])
    assert source.run.nbytes == kept_nbytes(asked, sd_pipe)
    done = last(edit(asked, pipe=sd_pipe, source=source))
    empty.zero_()
    other = last(edit(asked, pipe=sd_pipe, source=source))
    assert done.result.image.tobytes() != other.result.image.tobytes()


def test_proximal_and_ledits_follow_the_strongest_of_what_changes(sd_pipe: Any) -> None:
    def kept(method: Any, apart: Tensor) -> Tensor:
        return Following(invert(sd_pipe, a_picture(), CAPTION, method=method, steps=1)).guided(
            apart
        )

    torch.manual_seed(0)
    apart = torch.randn(1, 4, 10, 10)
    values = kept("proximal", apart)
    assert (values != 0).sum() == 120
    assert values.abs().sort().values.equal(apart.abs().sort().values * (values != 0).sort().values)
    places = kept("ledits", apart)
    assert (places != 0).all(1).sum() == (places != 0).any(1).sum() == 30
    assert torch.equal(kept("negative-prompt", apart), apart)


@pytest.mark.parametrize(
    ("against", "plain"),
    [("negative-prompt", "ddim"), ("proximal", "ddim"), ("ledits", "edit-friendly")],
)
def test_the_caption_in_the_negatives_place_leaves_guidance_nothing_to_add(
    sd_pipe: Any, photo: str, against: str, plain: str
) -> None:
    moved = {}
    for method in (against, plain):
        named = {"method": method, "put_back": False}
        # All of it may change, and the caption is the same.
        asked = recipe(photo, CAPTION, picture=named, edit={"mask": ["#"]}, guidance=8.0)
        done = last(edit(asked, pipe=sd_pipe))
        before, after = (np.asarray(one.result.image, int) for one in (done.source, done))
        moved[method] = np.abs(after - before).max()
    assert moved[against] <= 1 < moved[plain]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["direct", "negative-prompt", "null-text"])
def test_the_calls_of_the_model_are_counted_to_the_end(
    sd_pipe: Any, photo: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(null_text, "ROUNDS", 6)
    *calls, _ = edit(recipe(photo, picture={"method": method}), pipe=sd_pipe)
    counted = [(call.index, call.total) for call in calls]
    assert counted == [(index, len(calls)) for index in range(len(calls))]


@pytest.mark.parametrize("method", ["null-text", "edit-friendly", "ledits"])
def test_methods_of_diffusion_are_refused_by_a_flow(photo: str, method: str) -> None:
    asked = recipe(photo, model="emoji-sd3", picture={"method": method})
    with pytest.raises(ControlError, match=f"{method} does not fit this model, which follows a fl"):
        last(edit(asked, pipe=load("emoji-sd3")))


def test_null_text_needs_guidance(sd_pipe: Any, photo: str) -> None:
    asked = recipe(photo, picture={"method": "null-text"}, guidance=1.0)
    with pytest.raises(RecipeError, match="finds the empty prompt of guidance, and there is none"):
        last(edit(asked, pipe=sd_pipe))


def test_a_recipe_leaves_the_method_to_the_model_and_keeps_what_it_chose(
    sd_pipe: Any, photo: str
) -> None:
    for pipe, chosen in ((sd_pipe, "direct"), (load("emoji-sd3"), "shift")):
        done = last(edit(recipe(photo), pipe=pipe))
        assert done.result.recipe.picture.method == chosen
