"""Other mechanisms in the place of the model's cross-attention."""

from typing import Any

import pytest
import torch
from tiny_pictures import run

from crossattn import ControlError, Recorder, attach
from crossattn.controls import Mechanism, Reweight, TopK
from crossattn.controls.mechanism import MECHANISMS

PROMPT = "a red car and a blue dog"


@pytest.mark.parametrize("name", ["scaled", "topk:all", "topk:77", "window:77", "gqa:2"])
def test_a_mechanism_that_changes_nothing_gives_the_plain_picture(sd_pipe: Any, name: str) -> None:
    # The tiny model has two heads, so two key and value heads are all of them.
    # Guidance would multiply what rounding differs by.
    plain, same = (
        run(sd_pipe, PROMPT, *each, guidance_scale=1.0, steps=2) for each in ([], [Mechanism(name)])
    )
    torch.testing.assert_close(same, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["scaled", "topk:77", "window:77", "gqa:2"])
def test_a_mechanism_that_changes_nothing_keeps_to_the_models_mask(name: str) -> None:
    model, given = masked_model()
    with torch.no_grad():
        plain = model(**given).sample
        with attach(model, Mechanism(name)):
            same = model(**given).sample
    torch.testing.assert_close(same, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["unscaled", "linear", "topk:4", "window:9", "gqa:1"])
def test_no_mechanism_attends_where_the_model_does_not(name: str) -> None:
    model, given = masked_model()
    recorder = Recorder()
    with attach(model, Mechanism(name), recorder), torch.no_grad():
        model(**given)
    heats = [recorder.trace.by("mean").token(token).data for token in range(9)]
    assert all((heat == 0).all() for heat in heats[5:])
    torch.testing.assert_close(torch.stack(heats[:5]).sum(0), torch.ones(8, 8))


def masked_model() -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """A tiny PixArt, which masks what stands behind the text: of 9 tokens it sees 5."""
    from diffusers import PixArtTransformer2DModel

    torch.manual_seed(0)
    model = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=12,
        num_layers=2,
        sample_size=8,
        use_additional_conditions=False,
    )
    given = {
        "hidden_states": torch.randn(1, 4, 8, 8),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 9, 12),
        "encoder_attention_mask": (torch.arange(9) < 5)[None].float(),
    }
    return model.eval(), given


@pytest.mark.parametrize("name", ["unscaled", "linear", "topk:1", "window:0", "gqa:1"])
def test_another_mechanism_gives_another_picture_that_is_recorded(sd_pipe: Any, name: str) -> None:
    plain, recorder = Recorder(), Recorder()
    before = run(sd_pipe, PROMPT, plain)
    after = run(sd_pipe, PROMPT, Mechanism(name), recorder)
    assert not torch.allclose(before, after)
    assert recorder.trace["car"].mass != plain.trace["car"].mass
    total = recorder.trace.over("words")["car"].data
    assert total.isfinite().all()


def test_with_one_token_kept_every_pixel_gives_it_everything(sd_pipe: Any) -> None:
    recorder = Recorder(heads=True)
    run(sd_pipe, PROMPT, Mechanism("topk:1"), recorder)
    site = recorder.trace.at(layers="mid").view
    maps = site.record.maps["positive", site.sites[0].name]
    assert set(maps.unique().tolist()) <= {0.0, 1.0, 2.0, 3.0, 4.0}  # of 4 steps


def test_a_mechanism_acts_in_the_chosen_blocks_only(sd_pipe: Any) -> None:
    recorder, plain = Recorder(), Recorder()
    run(sd_pipe, PROMPT, Mechanism("topk:1", layers="up"), recorder)
    run(sd_pipe, PROMPT, plain)
    first = [
        r.trace.at(layers="down").view.record.mass["positive"][0, 0] for r in (recorder, plain)
    ]
    torch.testing.assert_close(*first)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MECHANISMS)
def test_a_mechanism_fetches_nothing_from_the_models_device(sd_pipe: Any, kind: str) -> None:
    # Nothing can be fetched from this device, so any transfer during the run would fail.
    unet = sd_pipe.unet.to("meta")
    text = torch.empty(1, 77, unet.config.cross_attention_dim, device="meta")
    name = f"{kind}:1" if MECHANISMS[kind][1] else kind
    with attach(unet, Mechanism(name)), torch.no_grad():
        drawn = unet(torch.empty(1, 4, 8, 8, device="meta"), 500, encoder_hidden_states=text)
    assert drawn.sample.device.type == "meta"


@pytest.mark.parametrize("edit", [Reweight({"car": 2.0}), TopK(3), Mechanism("linear")])
def test_a_mechanism_behind_an_edit_that_it_would_undo_is_refused(sd_pipe: Any, edit: Any) -> None:
    with pytest.raises(ControlError, match=r'Mechanism\("gqa:1"\).*put it first in attach'):
        run(sd_pipe, PROMPT, edit, Mechanism("gqa:1"))


def test_a_mechanism_for_layers_that_are_not_there_is_refused(sd_pipe: Any) -> None:
    with pytest.raises(ControlError, match=r"layers='up\.9'\) leaves none"):
        run(sd_pipe, PROMPT, Mechanism("linear", layers="up.9"))


@pytest.mark.parametrize(
    "name", ["softmax", "topk", "topk:0", "topk:x", "scaled:2", "gqa:-1", "window:9999999"]
)
def test_a_mechanism_that_cannot_be_read_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(ControlError, match="mechanism"):
        Mechanism(name)


def test_every_mechanism_is_named_in_its_help() -> None:
    assert all(f'"{name}' in (Mechanism.__doc__ or "") for name in MECHANISMS)
