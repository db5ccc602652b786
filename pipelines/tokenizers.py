"""How a model reads prompts, known from its tokenizers alone: no weights are loaded."""

import inspect
from types import SimpleNamespace
from typing import Any

from crossattn.encoders import encoders_of
from crossattn.families import FAMILIES
from crossattn.pipelines.load import EMBEDDED, find_model, load_tokenizer, pipeline_class
from crossattn.pipelines.model_files import read_index
from crossattn.pipelines.pipeline_kinds import PIPELINES
from crossattn.word_tokens import TextReader


def load_tokenizers(
    model: str = EMBEDDED, *, revision: str | None = None, config: str | None = None
) -> dict[str, TextReader]:
    """Load only a model's tokenizers, by the names that people see (clip, t5), as it reads them.

    Raises ModelLoadError as `load` does.
    """
    source = find_model(model, revision, config)
    index = read_index(source.folder)
    denoiser = PIPELINES[index["_class_name"]].denoiser
    family = next(each for each in FAMILIES if each.denoiser == index[denoiser][1])
    parts = {
        encoder.tokenizer: load_tokenizer(source, encoder.tokenizer, index)
        for encoder in family.encoders
        if index.get(encoder.tokenizer) not in (None, [None, None])
    }
    # What a pipeline with a transformer puts around a prompt, and how long it is, its class says.
    pipe: Any = SimpleNamespace(**parts)
    if denoiser == "transformer":
        kind = pipeline_class(index)
        asked = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]
        pipe = kind(**{name: parts.get(name) for name in asked if name in index})
    return {encoder.name: encoder.reader for encoder in encoders_of(pipe, family.encoders)}
