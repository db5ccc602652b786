"""See and steer how words become pictures.

>>> from crossattn import Recorder, attach
>>> recorder = Recorder()
>>> with attach(pipe, recorder, prompt=prompt):  # doctest: +SKIP
...     image = pipe(prompt).images[0]
>>> recorder.trace["car"].overlay(image)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crossattn.errors import (
    ControlError,
    CrossattnError,
    InputError,
    ModelLoadError,
    NothingTouchedError,
    PromptError,
    RecipeError,
    TraceError,
    UnsupportedModelError,
    WordNotFoundError,
)

if TYPE_CHECKING:
    from crossattn.attention import Attention
    from crossattn.control import Control
    from crossattn.flow import Flow
    from crossattn.heatmap import HeatMap
    from crossattn.recorder import Recorder
    from crossattn.session import Session, attach
    from crossattn.site import Site, sites
    from crossattn.softmax import UnformedMap
    from crossattn.step import LayerCall, Step
    from crossattn.trace import Trace
    from crossattn.weight_writing import with_weights
    from crossattn.words import (
        Encoding,
        Prompt,
        PromptCutWarning,
        Token,
        Word,
        read_prompt,
    )

__all__ = [
    "Attention",
    "Control",
    "ControlError",
    "CrossattnError",
    "Encoding",
    "Flow",
    "HeatMap",
    "InputError",
    "LayerCall",
    "ModelLoadError",
    "NothingTouchedError",
    "Prompt",
    "PromptCutWarning",
    "PromptError",
    "RecipeError",
    "Recorder",
    "Session",
    "Site",
    "Step",
    "Token",
    "Trace",
    "TraceError",
    "UnformedMap",
    "UnsupportedModelError",
    "Word",
    "WordNotFoundError",
    "attach",
    "read_prompt",
    "sites",
    "with_weights",
]

# Torch takes seconds to import, and `crossattn --help` does not need it.
_HOMES = {
    "attention": ("Attention",),
    "control": ("Control",),
    "flow": ("Flow",),
    "heatmap": ("HeatMap",),
    "recorder": ("Recorder",),
    "session": ("Session", "attach"),
    "site": ("Site", "sites"),
    "softmax": ("UnformedMap",),
    "step": ("LayerCall", "Step"),
    "trace": ("Trace",),
    "words": (
        "Encoding",
        "Prompt",
        "PromptCutWarning",
        "Token",
        "Word",
        "read_prompt",
    ),
    "weight_writing": ("with_weights",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crossattn' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"crossattn.{_HOME[name]}"), name)
    return value
