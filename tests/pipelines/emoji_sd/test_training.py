"""Training: stopping changes nothing, longer runs go on honestly, the smoke run walks it all."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from crossattn.pipelines.emoji_sd import autoencoder as ae
from crossattn.pipelines.emoji_sd.captions import describe
from crossattn.pipelines.emoji_sd.checkpoint import Run, Schedule, load, write_atomically
from crossattn.pipelines.emoji_sd.denoiser import Denoiser, DenoiserLoss, misplaced
from crossattn.pipelines.emoji_sd.judge import Judge
from crossattn.pipelines.emoji_sd.latents import LatentPool, cover_of_objects
from crossattn.pipelines.emoji_sd.muon import optimisers
from crossattn.pipelines.emoji_sd.scenes import SIDE, make_scene, render, scenes
from crossattn.pipelines.emoji_sd.tokenizer import tokenize, train_tokenizer
from crossattn.pipelines.emoji_sd.train import SMOKE, main

pytestmark = pytest.mark.slow


def denoiser_run(folder: Path, samples: int = 24) -> tuple[Run, DenoiserLoss]:
    torch.manual_seed(0)
    tokenizer = train_tokenizer(folder / "tokenizer", captions=200)
    model = Denoiser(tokenizer, SMOKE.denoiser_widths, SMOKE.text_width)
    autoencoder = ae.make_autoencoder((8, 8, 16, 16))
    pool = LatentPool(folder / "latents.f16", autoencoder, size=8, batch=4)
    loss = DenoiserLoss(model, tokenizer, pool, focus=24)
    return Run("denoiser", folder, model, Schedule(samples, 4, 1e-3, warmup=2), decay=0.9), loss


def same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def test_an_interrupted_training_ends_exactly_as_an_uninterrupted_one(tmp_path: Path) -> None:
    run, loss = denoiser_run(tmp_path / "whole")
    run.train(loss, every=2)
    run, loss = denoiser_run(tmp_path / "parts")
    run.train(loss, every=2, until=3)  # one step past its last checkpoint
    run, loss = denoiser_run(tmp_path / "parts")
    run.train(loss, every=2)
    whole, parts = (load(tmp_path / name / "denoiser.pt") for name in ("whole", "parts"))
    for key in ("model", "average", "optimisers", "step"):
        assert same(whole[key], parts[key]), key
    losses = [[entry["loss"] for entry in state["log"]] for state in (whole, parts)]
    assert losses[0] == losses[1]


def test_a_longer_training_goes_on_from_before_the_rate_fell(tmp_path: Path) -> None:
    run, loss = denoiser_run(tmp_path / "grown", samples=20)
    run.train(loss, every=2)
    run, loss = denoiser_run(tmp_path / "grown", samples=40)
    run.train(loss, every=2)
    straight, loss = denoiser_run(tmp_path / "straight", samples=40)
    straight.train(loss, every=2)
    assert same(run.model.state_dict(), straight.model.state_dict())


def test_the_learning_rate_rises_stays_and_falls_to_nothing() -> None:
    schedule = Schedule(samples=1000, batch=10, lr=1.0, warmup=10, fall=0.3)
    rates = [schedule.rate(step) for step in range(schedule.steps)]
    assert rates[0] == 0.1
    assert rates[9 : schedule.fall_from] == [1.0] * (schedule.fall_from - 9)
    falling = rates[schedule.fall_from :]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] < 0.05


def test_a_broken_write_leaves_the_older_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    write_atomically(path, lambda beside: torch.save({"step": 1}, beside))

    def fails(beside: Path) -> None:
        beside.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fails)
    assert load(path)["step"] == 1


def test_the_optimisers_learn_a_matrix_and_a_bias() -> None:
    torch.manual_seed(0)
    model, teacher = nn.Linear(8, 4), nn.Linear(8, 4)
    pair = optimisers(model, lr=0.05)
    inputs = torch.randn(64, 8)
    losses = []
    for _ in range(80):
        value = (model(inputs) - teacher(inputs)).square().mean()
        value.backward()
        for optimiser in pair:
            optimiser.step()
            optimiser.zero_grad()
        losses.append(value.item())
    assert losses[-1] < 0.02 * losses[0]


def test_whitening_changes_the_latents_and_not_the_pictures() -> None:
    torch.manual_seed(0)
    model = ae.make_autoencoder((8, 8, 16, 16)).eval()
    pictures = ae.pictures(range(4), "fresh")
    with torch.inference_mode():
        before = model.decode(ae.encode(model, pictures)).sample
    ae.whiten(model, scenes=64)
    with torch.inference_mode():
        latents = ae.encode(model, ae.pictures(range(64), "fresh"))
        after = model.decode(ae.encode(model, pictures)).sample
    assert latents.mean((0, 2, 3)).abs().max() < 0.1
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.1
    assert (before - after).abs().max() < 1e-3


def test_the_pool_gives_the_same_latents_when_asked_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ae.make_autoencoder((8, 8, 16, 16))
    pool = LatentPool(tmp_path / "pool", model, size=8, batch=4)
    first, share, scenes = pool.batch(0)
    other = ae.make_autoencoder((8, 8, 16, 16))
    reopened = LatentPool(tmp_path / "pool", other, size=8, batch=4)
    again, same_share, _ = reopened.batch(0)
    later, _, reworded = reopened.batch(2)
    assert torch.equal(first, again)
    assert torch.equal(first, later)
    assert torch.equal(share, same_share)
    assert scenes != reworded
    assert 0 < float(share.mean()) < 1


def test_small_objects_are_asked_for_as_much_as_larger_ones() -> None:
    asked, covered = [], []
    for size in ("small", "medium", "big"):
        scene = make_scene(3)
        things = (replace(scene.things[0], name="ball", size=size, x=64, y=64),)
        drawn = render(replace(scene, things=things))
        asked.append(float(cover_of_objects(drawn).sum()))
        covered.append(float(drawn.masks.sum()) / 64)
    assert asked[0] == pytest.approx(asked[1], rel=0.05)
    assert asked[2] == pytest.approx(covered[2])
    assert covered[0] < covered[1] < covered[2] <= asked[2]


def test_nouns_of_a_relation_are_asked_for_the_places_of_their_objects(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(tmp_path / "tokenizer", captions=200)
    stated = [s for s in scenes("train", 0, 40) if s.stated and len(s.things) == 2][:3]
    unstated = next(s for s in scenes("train", 0, 40) if not s.stated)
    drawn = [*stated, unstated]
    captions = [describe(scene) for scene in drawn]
    tokens = tokenize(tokenizer, [caption.text for caption in captions])
    words = torch.zeros(*tokens.shape, 4, requires_grad=True)
    misplaced(tokenizer, words, captions, drawn).backward()  # type: ignore[no-untyped-call]
    pulled = words.grad
    assert pulled is not None
    assert not pulled[..., 2:].any()
    assert not pulled[3].any()
    for row, scene in enumerate(stated):
        asked = pulled[row].any(-1)
        text = tokenizer.decode(tokens[row, asked])
        assert all(thing.name.endswith(text.split()[i]) for i, thing in enumerate(scene.things))
        left, right = (2 * thing.x / SIDE - 1 for thing in scene.things)
        pull = pulled[row, asked, 0]
        assert (left < right) == bool(pull[0] > pull[1])


def test_the_smoke_run_walks_the_whole_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # correlations of a handful of pictures
        main(["--smoke", "--out", str(tmp_path)])
    model = tmp_path / "model"
    pipeline = StableDiffusionPipeline.from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a red car", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (128, 128, 3)
    assert np.isfinite(picture).all()
    card = (model / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## Scores" in card and "## Vocabulary" in card
    assert Judge.load(model / "judge.safetensors").look([np.zeros((128, 128, 3), np.uint8)])

    adopted = tmp_path / "adopted"
    smoke = ["--smoke", "--stage", "denoiser"]
    main([*smoke, "--out", str(adopted), "--adopt", str(model)])
    shipped = StableDiffusionPipeline.from_pretrained(model).unet.state_dict()
    state = load(adopted / "denoiser.pt")
    first, last = load(tmp_path / "denoiser.pt")["log"]
    assert (state["step"], state["log"]) == (4, [first, last | {"adopted": True}])
    assert all(torch.equal(state["average"][f"unet.{name}"], shipped[name]) for name in shipped)
    main([*smoke, "--out", str(adopted), "--samples", "48"])
    grown = load(adopted / "denoiser.pt")
    assert [entry["samples"] for entry in grown["log"]] == [16, 32, 48]
    assert not same(grown["model"], state["model"])
    for again, no_model in ((adopted, model), (tmp_path / "new", tmp_path / "nowhere")):
        with pytest.raises(SystemExit, match="2"):
            main([*smoke, "--out", str(again), "--adopt", str(no_model)])
    told = capsys.readouterr().err
    assert "leave out --adopt" in told and "nowhere" in told
