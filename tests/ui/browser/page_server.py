"""Serves the page for the tests, in a process of its own: the tiny model under the shipped name."""

import gc
import sys
from pathlib import Path

gc.disable()  # what is imported stays

import torch

from crossattn.pipelines import emoji_sd
from crossattn.pipelines.emoji_sd import judge  # noqa: F401 - which keeps its own file
from crossattn.ui.browser import drawing, folders, payload, serve


def main(folder: str, loras: str, port: str, pause: str) -> None:
    """Serve the model in `folder` at `port`, each step taking `pause` seconds longer."""
    import time

    torch.set_num_threads(1)
    emoji_sd.model_path = lambda: Path(folder)
    payload.WEAK = 0.0  # an untrained model has weak maps alone, which would be drawn faintly
    preview = drawing.Models.preview

    def slower(self: drawing.Models, *given: object) -> str:
        time.sleep(float(pause))
        print("step", flush=True)
        return preview(self, *given)  # type: ignore[arg-type]

    drawing.Models.preview = slower  # type: ignore[method-assign, assignment]
    gc.enable()
    serve.serve(port=int(port), folders=folders.Folders(loras=loras))


if __name__ == "__main__":
    main(*sys.argv[1:])
