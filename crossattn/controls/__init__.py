"""Editing through attention: controls for `attach`.

>>> from crossattn import attach
>>> from crossattn.controls import LocalBlend, Replace, ShareSelfAttention
>>> prompts = ["a red car on grass", "a red boat on grass"]
>>> with attach(pipe, Replace(), ShareSelfAttention(), LocalBlend(), prompt=prompts):
...     before, after = pipe(prompts, latents=noise.repeat(2, 1, 1, 1)).images  # doctest: +SKIP
"""

from crossattn.controls.blend import LocalBlend
from crossattn.controls.excite import AttendAndExcite
from crossattn.controls.maps import Refine, Replace
from crossattn.controls.mechanism import Mechanism
from crossattn.controls.regions import Box, HoldRegions, PaintRegions
from crossattn.controls.reweight import Reweight
from crossattn.controls.sharing import MutualSelfAttention, ShareSelfAttention
from crossattn.controls.source_recorder import SourceRecorder
from crossattn.controls.support.alignment import Alignment, align
from crossattn.controls.support.edit import Edit, NothingTouchedWarning
from crossattn.controls.support.edit_source import OtherNoiseWarning
from crossattn.controls.support.source_run import SourceRun
from crossattn.controls.support.window import Window
from crossattn.controls.top_k import TopK

__all__ = [
    "Alignment",
    "AttendAndExcite",
    "Box",
    "Edit",
    "HoldRegions",
    "LocalBlend",
    "Mechanism",
    "MutualSelfAttention",
    "NothingTouchedWarning",
    "OtherNoiseWarning",
    "PaintRegions",
    "Refine",
    "Replace",
    "Reweight",
    "ShareSelfAttention",
    "SourceRecorder",
    "SourceRun",
    "TopK",
    "Window",
    "align",
]
