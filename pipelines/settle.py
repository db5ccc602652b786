"""A recipe's model, its open choices filled in, and its prompts as the model reads them."""

import warnings
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from crossattn.dialects import USUAL, Dialect
from crossattn.errors import RecipeError
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.joint import check_drawn, is_joint
from crossattn.pipelines.load import ModelSource, load
from crossattn.pipelines.model_defaults import defaults_of
from crossattn.pipelines.recipe import Recipe
from crossattn.word_spans import quoted
from crossattn.words import Prompt, PromptCutWarning, read_prompt

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

LIBRARIES = ("crossattn", "torch", "diffusers", "transformers")
# Read from their packages' files, which do not change while they run.
_version = cache(version)


def pipeline_of(recipe: Recipe) -> "Pipeline":
    """Load the model that a recipe names; raises ModelLoadError."""
    where = recipe.model_dump(include={"revision", "config", "dtype", "device"})
    return load(recipe.model, **where)


def settle(recipe: Recipe, pipe: "Pipeline", source: ModelSource | None = None) -> Recipe:
    """Fill in every choice that a recipe leaves to the model.

    Raises RecipeError if its size does not suit the model or a file that its prompt names is not
    there, UnsupportedModelError if recipes cannot draw with it.
    """
    check_drawn(pipe)
    own = defaults_of(pipe)
    for name, value in (("height", recipe.height), ("width", recipe.width)):
        if value and value % own.multiple:
            raise RecipeError(
                f"The {name} must be a multiple of {own.multiple} for {recipe.model}, but is "
                f"{value}."
            )
    choices: dict[str, Any] = {
        "revision": source.revision if source else None,
        "steps": own.steps,
        "guidance": own.guidance,
        "height": own.height,
        "width": own.width,
        "device": str(pipe.device),
        "dialect": usual_dialect(pipe),
    }
    open_choices = {key: value for key, value in choices.items() if getattr(recipe, key) is None}
    return recipe.replace(
        **open_choices,
        versions={name: _version(name) for name in LIBRARIES},
        digests={str(file): file.digest for file in adapter_files(recipe)},
    )


def usual_dialect(pipe: "Pipeline") -> Dialect:
    """What weights do in a model unless told, as samples/bench/weights_truth.py measured it."""
    return "difference" if is_joint(pipe) else USUAL


def numbers(recipe: Recipe) -> tuple[int, float, int, int]:
    """Return a settled recipe's steps, guidance, and height and width in pixels."""
    assert recipe.steps is not None and recipe.guidance is not None
    assert recipe.height is not None and recipe.width is not None
    return recipe.steps, recipe.guidance, recipe.height, recipe.width


def read(
    source: str, tokenizers: dict[str, Any], dialect: Dialect = "compel"
) -> tuple[Prompt, list[str]]:
    """Read a prompt as the named encoders will, in as many stretches as it needs.

    Also gives, in sentences, what fell off the end, and which marks weigh nothing in the dialect.
    Raises PromptError.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PromptCutWarning)
        prompt = read_prompt(source, tokenizers, dict.fromkeys(tokenizers), dialect=dialect)
    foreign = list(dict.fromkeys(f"{quoted(m.text)}: {m.does}." for m in prompt.marks if m.foreign))
    if foreign:
        foreign.append("Weights are written (word:1.3) in every dialect.")
    return prompt, [*(str(one.message) for one in caught), *foreign]
