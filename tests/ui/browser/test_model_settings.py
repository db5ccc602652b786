"""Each model is offered the settings that suit it, before it is loaded."""

import json
from pathlib import Path

import pytest

from crossattn.ui.browser.model_settings import settings_of


@pytest.mark.parametrize(("model", "steps"), [("emoji-sd", 25), ("emoji-sd3", 12)])
def test_models_that_ship_have_their_own(model: str, steps: int) -> None:
    usual = settings_of(model)
    assert usual.sizes == ["128 × 128", "160 × 96", "96 × 160"]
    assert (usual.steps, usual.guidance) == (steps, 4.0)


def test_another_model_has_those_of_its_files_and_of_its_pipeline(sd_folder: Path) -> None:
    size = json.loads((sd_folder / "unet" / "config.json").read_text())["sample_size"]
    blocks = json.loads((sd_folder / "vae" / "config.json").read_text())["block_out_channels"]
    usual = settings_of(str(sd_folder))
    assert usual.side == size * 2 ** (len(blocks) - 1)
    assert (usual.steps, usual.guidance) == (50, 7.5)


def test_a_model_that_says_nothing_is_taken_for_stable_diffusion(tmp_path: Path) -> None:
    assert settings_of(str(tmp_path)).sizes[0] == "512 × 512"
