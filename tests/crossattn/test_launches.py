"""On a device time goes by launches and waiting: they are counted, on one that cannot be read."""

import weakref
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from launches import run_on_meta
from tiny_pictures import run
from torch.utils._python_dispatch import TorchDispatchMode

from crossattn import Attention, Control, LayerCall, Recorder, attach, sites, softmax
from crossattn.controls import (
    Box,
    HoldRegions,
    PaintRegions,
    Replace,
    Reweight,
    ShareSelfAttention,
    Window,
)

pytestmark = pytest.mark.slow

PROMPT = "a red car on grass"
SITES = 6


class Recording(Recorder):
    """A recorder whose trace stays on the device, from which it cannot be fetched."""

    def leave(self) -> None:
        pass


def added(
    pipe: Any, prompts: list[str], *controls: Control, negative: str | None = None
) -> Counter[str]:
    """The launches that controls add to a step; the first may make what the others use again."""
    plain = run_on_meta(pipe, prompts, negative=negative)[-1]
    return run_on_meta(pipe, prompts, *controls, steps=2, negative=negative)[-1] - plain


@pytest.mark.parametrize("heads", [False, True], ids=["mean", "heads"])
@pytest.mark.parametrize("images", [1, 2])
def test_recording_a_site_takes_six_launches(sd_pipe: Any, heads: bool, images: int) -> None:
    sd_pipe.unet.half()
    launches = added(sd_pipe, [PROMPT] * images, Recording(heads=heads))
    assert launches.total() <= 6 * SITES, launches


def test_recording_both_sides_of_guidance_takes_no_more(sd_pipe: Any) -> None:
    sd_pipe.unet.half()
    one = added(sd_pipe, [PROMPT], Recording())
    both = added(sd_pipe, [PROMPT], Recording(negative=True), negative="")
    assert both.total() == one.total() > 0


def test_sites_of_one_size_are_recorded_in_ten_launches_together(sd_pipe: Any) -> None:
    sd_pipe.unet.half()
    sizes = {site.level for site in sites(sd_pipe)}
    launches = added(sd_pipe, [PROMPT], Recording())
    assert launches.total() == 10 * len(sizes) < 6 * SITES, launches


TARGET = "a blue car on grass"
OTHER = "a green car on grass"
WHOLE = Window()


@pytest.mark.parametrize(
    ("prompts", "control", "most"),
    [
        ([PROMPT], lambda: Reweight({"car": 2.0}), 3),
        ([PROMPT], lambda: Reweight({"car": 2.0}, normalised=True), 2),
        ([PROMPT], lambda: HoldRegions({"car": Box(0, 0, 0.5, 1)}), 2),
        ([PROMPT], lambda: PaintRegions({"car": Box(0, 0, 0.5, 1)}), 7),
        ([PROMPT, TARGET], lambda: Replace(WHOLE), 7),
        ([PROMPT] * 3, lambda: Reweight({"car": 2.0}), 3),
        ([PROMPT, TARGET, OTHER], lambda: Reweight({"car": 2.0}), 4),
        ([PROMPT] * 3, lambda: HoldRegions({"car": Box(0, 0, 0.5, 1)}), 2),
        ([PROMPT, TARGET, OTHER], lambda: Replace(WHOLE), 9),
        ([PROMPT, TARGET], lambda: ShareSelfAttention(WHOLE), 2),
        ([PROMPT, TARGET, TARGET], lambda: ShareSelfAttention(WHOLE), 2),
    ],
    ids=lambda given: f"{len(given)} prompts" if isinstance(given, list) else None,
)
def test_an_edit_takes_few_launches_a_site(
    sd_pipe: Any, prompts: list[str], control: Callable[[], Control], most: int
) -> None:
    sd_pipe.unet.half()
    launches = added(sd_pipe, prompts, control(), negative="")
    assert most * (SITES - 1) < launches.total() <= most * SITES, launches


@pytest.mark.parametrize("settings", [{}, {"heads": True, "bins": 2}, {"negative": True}])
def test_the_devices_way_gives_the_same_numbers(
    sd_pipe: Any, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    prompts = [PROMPT, "a blue dog"]

    def record() -> Any:
        recorder = Recorder(**settings)
        images = {"num_images_per_prompt": 2, "negative_prompt": ["the", ""]}
        with attach(sd_pipe, recorder, prompt=prompts, negative_prompt=["the", ""]):
            run(sd_pipe, prompts, **images)
        return recorder.trace.view.record

    cached = record()
    monkeypatch.setattr(softmax, "CACHED", softmax.FEW_LAUNCHES)
    few = record()
    for name in ("maps", "mass", "site_visits"):
        torch.testing.assert_close(getattr(few, name), getattr(cached, name), atol=1e-5, rtol=1e-5)


class Peak(TorchDispatchMode):
    """How many bytes are alive at once, of those that are made inside."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(each, torch.Tensor):
                self._note(each.untyped_storage())
        return out

    def _note(self, storage: Any) -> None:
        known = storage._cdata
        if known not in self._known:
            self._known.add(known)
            self.alive += storage.nbytes()
            self.most = max(self.most, self.alive)
            weakref.finalize(storage, self._forget, known, storage.nbytes())

    def _forget(self, known: int, size: int) -> None:
        self._known.discard(known)
        self.alive -= size


@pytest.mark.parametrize(
    ("channels", "heads", "pixels", "most"),
    [((320, 640), 8, 64, 50), ((320, 640), (5, 10), 128, 64)],
    ids=["SD1.5 at 512", "SDXL at 1024"],
)
def test_recording_needs_no_more_than_some_megabytes_at_once(
    sd_pipe: Any, channels: tuple[int, int], heads: Any, pixels: int, most: int
) -> None:
    # The finest grids of these models, which are the largest; SDXL's finest has no attention.
    xl = pixels == 128
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=pixels,
            block_out_channels=channels,
            layers_per_block=1,
            down_block_types=(
                "DownBlock2D" if xl else "CrossAttnDownBlock2D",
                "CrossAttnDownBlock2D",
            ),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D" if xl else "CrossAttnUpBlock2D"),
            cross_attention_dim=64,
            attention_head_dim=heads,
        ).half()
    pipe = SimpleNamespace(unet=unet, scheduler=sd_pipe.scheduler, tokenizer=sd_pipe.tokenizer)

    class Watched(Recording):
        def attend(self, call: LayerCall, attention: Attention) -> None:
            with Peak() as peak:
                super().attend(call, attention)
            peaks.append(peak.most)

    peaks: list[int] = []
    recorder = Watched()
    run_on_meta(pipe, [PROMPT], recorder)
    kept = recorder.nbytes(sd_pipe, PROMPT, steps=1, height=pixels * 8, width=pixels * 8)
    assert 2**20 < max(peaks) < most * 2**20 - kept
