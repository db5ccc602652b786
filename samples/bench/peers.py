"""The recorders that this one is measured against, where they are (see requirements-bench.txt)."""

import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import torch
from models import PROMPT

# DAAM imports spacy for a sentence parser that recording never calls, and names a class of it.
spacy = types.ModuleType("spacy")
spacy.tokens = types.ModuleType("spacy.tokens")  # type: ignore[attr-defined]
spacy.tokens.Token = object  # type: ignore[attr-defined]
sys.modules |= {"spacy": spacy, "spacy.tokens": spacy.tokens}  # type: ignore[attr-defined]

# It enters an autocast by a deprecated name at every token of every call.
warnings.filterwarnings("ignore", message=".*torch.cuda.amp.autocast", category=FutureWarning)
warnings.filterwarnings("ignore", message=".*CUDA is not available", category=UserWarning)

try:
    import attention_map_diffusers as amd
    import daam
except ImportError:
    amd = daam = None

Run = Callable[[], torch.Tensor]


def daam_trace(pipe: Any, run: Run) -> torch.Tensor:
    """Every step, and every layer that DAAM reads."""
    with daam.trace(pipe) as trace:
        latents = run()
        maps = trace.compute_global_heat_map()
    for word in set(PROMPT.split()):
        maps.compute_word_heat_map(word)
    return latents


def amd_capture(**options: str) -> Callable[[Any, Run], torch.Tensor]:
    """attention_map_diffusers with its own way of joining layers."""

    def way(pipe: Any, run: Run) -> torch.Tensor:
        with amd.AttentionCapture(pipe, **options) as capture:
            latents = run()
        records = capture.compute().records
        assert amd.visualization._aggregate_compatible(records, True) is not None
        return latents

    return way


PACKAGES = ("daam", "attention_map_diffusers") if daam else ()
PEERS: dict[str, Callable[[Any, Run], torch.Tensor]] = {}
if daam:
    PEERS = {
        "DAAM": daam_trace,
        "AMD, last step": amd_capture(),
        "AMD, all steps, exact": amd_capture(timesteps="all", mode="exact"),
        "AMD, all steps, fast": amd_capture(timesteps="all", mode="fast"),
    }
