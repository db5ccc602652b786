"""emoji-sd3's training: the smoke run walks it all, given weights are taken over, it resumes."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusion3Pipeline
from safetensors.torch import load_file

from crossattn.pipelines.emoji_sd.checkpoint import load
from crossattn.pipelines.emoji_sd3 import model_path
from crossattn.pipelines.emoji_sd3.card import training_section
from crossattn.pipelines.emoji_sd3.train import SMOKE, main

pytestmark = pytest.mark.slow

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def smoked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole smoke run."""
    folder = tmp_path_factory.mktemp("smoke")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # correlations of a handful of pictures
        main(["--smoke", "--out", str(folder)])
    return folder


def test_the_smoke_run_leaves_a_model_that_any_tool_loads_and_a_card(smoked: Path) -> None:
    pipeline = StableDiffusion3Pipeline.from_pretrained(smoked / "model")
    assert pipeline.transformer.config.num_layers == SMOKE.layers
    card = (smoked / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## Scores" in card and "This package's training" in card
    assert "prototype" not in card
    assert len(list((smoked / "scores").glob("*/*.png"))) == 2 * SMOKE.prompts


def test_a_picture_that_was_scored_is_not_drawn_again(
    smoked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        main(["--smoke", "--out", str(smoked), "--stage", "scores"])
    assert "scores:" not in capsys.readouterr().out


def test_an_interrupted_training_goes_on_where_it_stopped(smoked: Path, tmp_path: Path) -> None:
    longer = ["--smoke", "--stage", "denoiser", "--samples", "24", "--out"]
    main([*longer, str(tmp_path / "parts"), "--adopt", str(smoked / "model")])
    assert [line["samples"] for line in load(tmp_path / "parts" / "denoiser.pt")["log"]] == [
        8, 16, 24
    ]  # fmt: skip


def test_given_weights_are_taken_over_and_the_card_says_whose_they_are(
    smoked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for part in ("transformer", "text_encoder", "text_encoder_2"):
        (given / part).symlink_to(smoked / "model" / part)
    lines = [{"samples": 8, "loss": 1.5, "seconds": 3, "lr": 0.1}]
    (given / "training-log.json").write_text(json.dumps({"log": lines}))
    out = tmp_path / "out"
    adopt = ["--smoke", "--stage", "export", "--out", str(out), "--adopt", str(given)]
    main(adopt)
    ours, theirs = (load_file(folder / WEIGHTS) for folder in (out / "model", smoked / "model"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    said = training_section(load(out / "denoiser.pt")["log"], {})
    assert "prototype" in said and "8 samples" in said and "not trained since" in said
    for wrong in (adopt, [*adopt[:4], str(tmp_path / "new"), "--adopt", str(tmp_path)]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
    assert "leave out --adopt" in capsys.readouterr().err


def test_the_card_that_ships_says_where_the_weights_came_from() -> None:
    scores = json.loads((model_path() / "scores.json").read_text(encoding="utf-8"))
    card = (model_path() / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "throw-away prototype" in card and "not trained since" in card
    assert scores["prompts"] >= 256
    assert scores["fresh"]["object"] >= 0.92
    assert scores["heldout"]["object"] >= 0.84
