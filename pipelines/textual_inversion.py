"""Textual inversions, loaded into a pipeline's tokenizers and text encoders by diffusers."""

from typing import TYPE_CHECKING

from safetensors.torch import load_file

from crossattn.errors import ModelLoadError, RecipeError
from crossattn.pipelines.adapter_files import AdapterFile
from crossattn.pipelines.model_files import check_safetensors

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

_ENCODERS = {"clip_l": "", "clip_g": "_2"}
"""The names that files for two text encoders have for them, with how their parts end here."""


def load_inversion(pipe: "Pipeline", file: AdapterFile) -> None:
    """Load a file, so that its name is the word for its vectors.

    Raises RecipeError for a file that does not fit the model, ModelLoadError for one that is not
    whole and for a pipeline that takes none.
    """
    if not hasattr(pipe, "load_textual_inversion"):
        raise ModelLoadError(f"diffusers loads no textual inversion into a {type(pipe).__name__}.")
    check_safetensors(file.path)
    state = load_file(file.path)
    split = {key: state[key] for key in _ENCODERS if key in state}
    try:
        if not split:
            pipe.load_textual_inversion(state, token=file.name)
        for key, vectors in split.items():
            end = _ENCODERS[key]
            pipe.load_textual_inversion(
                {key: vectors},
                token=file.name,
                tokenizer=getattr(pipe, f"tokenizer{end}"),
                text_encoder=getattr(pipe, f"text_encoder{end}"),
            )
    except (ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"{file.path.name} does not fit this model: {reason}") from error
