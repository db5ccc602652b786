"""emoji-sd: the small text-to-image model that ships, and the scenes it was trained on.

Importing this loads neither torch nor diffusers.
"""

from pathlib import Path

from crossattn.pipelines.emoji_sd.captions import Caption, describe
from crossattn.pipelines.emoji_sd.scenes import Rendered, Scene, Thing, make_scene, render, scenes
from crossattn.pipelines.emoji_sd.vocabulary import unknown_words, vocabulary, words

__all__ = [
    "Caption",
    "Rendered",
    "Scene",
    "Thing",
    "describe",
    "make_scene",
    "model_path",
    "render",
    "scenes",
    "unknown_words",
    "vocabulary",
    "words",
]


def model_path() -> Path:
    """The folder of the model that ships; `StableDiffusionPipeline.from_pretrained` loads it."""
    return Path(__file__).with_name("model")
