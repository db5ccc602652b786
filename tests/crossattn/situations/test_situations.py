"""In every situation that users of diffusers bring, records and edits are right."""

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from oracle import Oracle, held, weighed
from situations import CAR, SITUATIONS, Situation, sharpened
from torch import Tensor

from crossattn import Recorder, attach
from crossattn.controls import Box, HoldRegions, Reweight
from crossattn.denoiser import find_denoiser
from crossattn.record import Record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def models(sd_folder: Path, sdxl_folder: Path) -> tuple[Any, Any]:
    """The tiny pipelines with attention that differs from row to row and from word to word."""
    sd = StableDiffusionPipeline.from_pretrained(sd_folder, use_safetensors=True)
    sdxl = StableDiffusionXLPipeline.from_pretrained(
        sdxl_folder, use_safetensors=True, add_watermarker=False
    )
    for pipe in (sd, sdxl):
        pipe.set_progress_bar_config(disable=True)
        sharpened(pipe.unet)
    with torch.no_grad():
        for encoder in (sd.text_encoder, sdxl.text_encoder, sdxl.text_encoder_2):
            encoder.get_input_embeddings().weight.mul_(20)
    return sd, sdxl


def ours(situation: Situation, visits: list[Tensor]) -> list[Tensor]:
    """The conditional rows of the visits that have any."""
    first = 1 if situation.every < 0 else 0
    return [each[situation.rows(len(each))] for each in visits[first :: abs(situation.every)]]


@pytest.mark.parametrize("name", SITUATIONS)
@torch.no_grad()
def test_records_and_edits_are_right_in(name: str, models: tuple[Any, Any]) -> None:
    situation = SITUATIONS[name]
    pipe = situation.make(*copy.deepcopy(models))
    denoiser, _ = find_denoiser(pipe)
    processors = dict(denoiser.attn_processors)
    prompt = situation.prompt

    plain = situation.run(pipe, prompt)
    with Oracle(denoiser) as oracle:
        situation.run(pipe, prompt)
    recorder = Recorder(heads=True, bins=10**6)
    with attach(pipe, recorder, prompt=prompt):
        recorded = situation.run(pipe, prompt)
    assert torch.equal(plain, recorded)
    check_record(situation, recorder.trace.view.record, oracle)
    if situation.exact:
        check_edits(situation, pipe, plain)

    assert torch.equal(plain, situation.run(pipe, prompt))
    assert all(denoiser.attn_processors[key] is each for key, each in processors.items())
    assert "step" not in vars(pipe.scheduler)


def check_record(situation: Situation, record: Record, oracle: Oracle) -> None:
    """Sums over steps and visits are those of the conditional rows' probabilities."""
    for site in record.layout.sites:
        visits = ours(situation, oracle.seen[site.name])
        expected = torch.stack(visits).sum(0)[..., : record.layout.tokens]
        torch.testing.assert_close(
            record.maps["positive", site.name].sum(1), expected, atol=2e-5, rtol=1e-5
        )
        counted = record.site_visits["positive"][:, record.layout.sites.index(site)]
        assert counted.sum() == len(visits)
    assert record.sigmas.diff().le(0).all()


def check_edits(situation: Situation, pipe: Any, plain: Tensor) -> None:
    """A weight and a held region are their formulas, on the conditional rows alone."""
    denoiser, _ = find_denoiser(pipe)
    layers = sum(getattr(module, "is_cross_attention", False) for module in denoiser.modules())
    words = ("car", "dog") if isinstance(situation.prompt, list) else ("car",)
    half = Box(0, 0, 0.5, 1)
    for formula, control in (
        (weighed(2.5), Reweight(dict.fromkeys(words, 2.5))),
        (held(3.0), HoldRegions(dict.fromkeys(words, half), strength=3.0)),
    ):
        entered = itertools.count()

        def edit(layer: str, visit: int, probs: Tensor) -> Tensor:
            # One call a side: the layers are visited in turn for one side, then for the other.
            side = next(entered) // layers % 2  # noqa: B023
            if abs(situation.every) == 2 and side != (situation.every < 0):
                return probs
            for row in situation.rows(len(probs)):
                probs[row] = formula(probs[row], CAR)  # noqa: B023
            return probs

        with Oracle(denoiser, edit):
            expected = situation.run(pipe, situation.prompt)
        with attach(pipe, control, prompt=situation.prompt):
            edited = situation.run(pipe, situation.prompt)
        effect = float((edited - plain).abs().max())
        assert effect > 1e-3
        assert float((edited - expected).abs().max()) < 1e-3 * max(1.0, effect)
