"""Training on a device: the same numbers wherever scenes are rendered, and nothing that waits."""

from pathlib import Path

import pytest
import torch

from crossattn.pipelines.emoji_sd import autoencoder as ae
from crossattn.pipelines.emoji_sd.ahead import Ahead
from crossattn.pipelines.emoji_sd.checkpoint import Run, Schedule
from crossattn.pipelines.emoji_sd.denoiser import Denoiser, DenoiserLoss
from crossattn.pipelines.emoji_sd.device import compile_blocks
from crossattn.pipelines.emoji_sd.latents import LatentPool
from crossattn.pipelines.emoji_sd.scenes import make_scene
from crossattn.pipelines.emoji_sd.tokenizer import train_tokenizer
from crossattn.pipelines.emoji_sd.train import SMOKE, main
from crossattn.pipelines.emoji_sd3.denoiser import JointDenoiser

pytestmark = pytest.mark.slow


@pytest.fixture
def training(tmp_path: Path) -> tuple[Denoiser, DenoiserLoss]:
    """A tiny denoiser and its loss, on the CPU; the first two steps' latents are encoded."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(tmp_path / "tokenizer", captions=200)
    model = Denoiser(tokenizer, SMOKE.denoiser_widths, SMOKE.text_width)
    autoencoder = ae.make_autoencoder((8, 8, 16, 16))
    pool = LatentPool(tmp_path / "latents.f16", autoencoder, size=8, batch=4)
    for step in range(2):
        pool.batch(step)
    return model, DenoiserLoss(model, tokenizer, pool, focus=24)


def test_what_is_made_ahead_is_what_is_made_when_asked() -> None:
    with Ahead(make_scene, workers=1) as ahead:
        for step in (0, 1, 5):  # resuming jumps
            assert ahead(step) == make_scene(step)


def test_a_training_step_asks_nothing_back_of_its_device(
    training: tuple[Denoiser, DenoiserLoss], tmp_path: Path
) -> None:
    # Reading any value of a tensor on "meta" raises.
    model, loss = training
    model.to("meta")
    schedule = Schedule(samples=80, batch=4, lr=1e-3, warmup=2)
    run = Run("denoiser", tmp_path, model, schedule, decay=0.9)
    run.train(loss, every=100, until=2)
    assert run.step == 2
    states = [state for optimiser in run.optimisers for state in optimiser.state.values()]
    moments = [value for state in states for key, value in state.items() if key != "step"]
    assert moments and all(moment.is_meta for moment in moments)


def test_compiled_blocks_compute_what_they_did(training: tuple[Denoiser, DenoiserLoss]) -> None:
    model, loss = training
    with torch.no_grad():
        before = loss(0)
        compile_blocks(model.unet, "BasicTransformerBlock", backend="eager")
        assert torch.allclose(loss(0), before)


# torch's compiler uses what torch itself has deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_both_models_are_made_ready_for_a_gpu_by_compiling_the_block_that_repeats(
    training: tuple[Denoiser, DenoiserLoss],
) -> None:
    unet, loss = training
    joint = JointDenoiser(loss.tokenizer, width=64, layers=2)
    for model, kind, count in (
        (unet, "BasicTransformerBlock", 7),
        (joint, "JointTransformerBlock", 2),
    ):
        names = model.state_dict().keys()
        model.hasten()
        compiled = [m for m in model.modules() if m._compiled_call_impl is not None]
        assert [type(one).__name__ for one in compiled] == [kind] * count
        assert model.state_dict().keys() == names


def test_a_device_that_is_not_there_is_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--smoke", "--out", str(tmp_path / "out"), "--device", "cuda:99"])
    assert "--device cuda:99 cannot be trained on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
