"""Word maps against those of DAAM 0.2.0 itself, where DAAM is right: guided, square, one image.

daam_numbers.safetensors was made by samples/bench/daam_numbers.py, which ran DAAM on the pipeline
that is built here again; DAAM need not be installed.
"""

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from crossattn import Recorder, Trace, attach

pytestmark = pytest.mark.slow

NUMBERS = Path(__file__).with_name("daam_numbers.safetensors")
MODELS = Path(__file__).parents[2] / "samples" / "bench" / "models.py"

with safe_open(NUMBERS, "pt") as file:
    SETTINGS = file.metadata()
    DAAM = {word: file.get_tensor(word) for word in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def trace() -> Trace:
    """The run that DAAM recorded, recorded here."""
    pipe: Any = runpy.run_path(str(MODELS))["tiny"]()
    recorder = Recorder(heads=True)
    with attach(pipe, recorder, prompt=SETTINGS["prompt"]):
        pipe(
            SETTINGS["prompt"],
            num_inference_steps=int(SETTINGS["steps"]),
            guidance_scale=float(SETTINGS["guidance"]),
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        )
    return recorder.trace


@pytest.mark.parametrize("word", DAAM)
def test_a_words_map_joined_as_daam_does_is_daams_map(trace: Trace, word: str) -> None:
    every = int(SETTINGS["every"])
    ours = trace.by("daam")[word].data[::every, ::every]
    # Relative to how far the map is from flat: flat maps would agree whatever was recorded.
    assert (ours - DAAM[word]).norm() / (DAAM[word] - DAAM[word].mean()).norm() < 1e-5
