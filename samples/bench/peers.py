"""The recorders that this one is measured against (see requirements-bench.txt)."""

import sys
import types
import warnings

# DAAM imports spacy for a sentence parser that recording never calls, and names a class of it.
spacy = types.ModuleType("spacy")
spacy.tokens = types.ModuleType("spacy.tokens")  # type: ignore[attr-defined]
spacy.tokens.Token = object  # type: ignore[attr-defined]
sys.modules |= {"spacy": spacy, "spacy.tokens": spacy.tokens}  # type: ignore[attr-defined]

# It enters an autocast by a deprecated name at every token of every call.
warnings.filterwarnings("ignore", message=".*torch.cuda.amp.autocast", category=FutureWarning)
warnings.filterwarnings("ignore", message=".*CUDA is not available", category=UserWarning)

import attention_map_diffusers as amd  # noqa: E402
import daam  # noqa: E402

__all__ = ["amd", "daam"]
