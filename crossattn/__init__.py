"""See and steer how words become pictures.

>>> from crossattn import Recorder, attach
>>> recorder = Recorder()
>>> with attach(pipe, recorder, prompt=prompt):  # doctest: +SKIP
...     image = pipe(prompt).images[0]
>>> recorder.trace["car"].overlay(image)  # doctest: +SKIP
"""

from crossattn.attention import Attention, Source
from crossattn.control import Call, Control, Step
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
from crossattn.heatmap import HeatMap
from crossattn.recorder import Recorder
from crossattn.session import Session, attach
from crossattn.sites import Site, sites
from crossattn.trace import Trace
from crossattn.words import (
    Encoding,
    Prompt,
    PromptCutWarning,
    Token,
    Word,
    read_prompt,
    with_weights,
)

__all__ = [
    "Attention",
    "Call",
    "Control",
    "ControlError",
    "CrossattnError",
    "Encoding",
    "HeatMap",
    "InputError",
    "ModelLoadError",
    "NothingTouchedError",
    "Prompt",
    "PromptCutWarning",
    "PromptError",
    "RecipeError",
    "Recorder",
    "Session",
    "Site",
    "Source",
    "Step",
    "Token",
    "Trace",
    "TraceError",
    "UnsupportedModelError",
    "Word",
    "WordNotFoundError",
    "attach",
    "read_prompt",
    "sites",
    "with_weights",
]
