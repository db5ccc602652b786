"""emoji-sd3: the small joint-attention transformer that ships, trained on emoji-sd's scenes.

Importing this loads neither torch nor diffusers.
"""

from pathlib import Path

__all__ = ["model_path"]


def model_path() -> Path:
    """The folder of its own files; its autoencoder and tokenizers are emoji-sd's.

    `crossattn.pipelines.load.load("emoji-sd3")` puts them together; what that pipeline's
    `save_pretrained` writes is whole, and any tool for Stable Diffusion 3 loads it.
    """
    return Path(__file__).with_name("model")
