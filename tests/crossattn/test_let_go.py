"""What a session kept goes with it."""

import gc
import weakref
from typing import Any

from crossattn import Recorder, attach


def test_a_session_that_was_left_waits_for_no_collector(sd_pipe: Any) -> None:
    gc.disable()
    try:
        recorder = Recorder()
        with attach(sd_pipe, recorder, prompt="a red car"):
            sd_pipe("a red car", num_inference_steps=1, output_type="latent", height=64, width=64)
        kept = weakref.ref(recorder)
        del recorder
        assert kept() is None
    finally:
        gc.enable()
