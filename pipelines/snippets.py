"""A recipe in other words: a Python script, a command line, a line of a batch."""

import json
import shlex
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from PIL import Image

from crossattn.pipelines.edit_recipe import EditRecipe
from crossattn.pipelines.files import slug
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.sheets import enlarged
from crossattn.pipelines.threads import OWN
from crossattn.trace import Trace

OPTIONS = (
    "model",
    "revision",
    "config",
    "seed",
    "steps",
    "guidance",
    "scheduler",
    "dialect",
    "loras",
    "embeddings",
    "dtype",
    "threads",
)
"""Fields of a recipe that are options of the same name."""


def python_script(recipe: Recipe) -> str:
    """Return a Python script that draws the recipe's picture and saves it."""
    fields = "".join(f"    {name}={value!r},\n" for name, value in _chosen(recipe).items())
    return (
        "from crossattn.pipelines.recipe import Recipe\n"
        "from crossattn.pipelines.run import run\n"
        "\n"
        f"recipe = Recipe(\n{fields})\n"
        "*steps, result = run(recipe)\n"
        'result.image.save("picture.png")\n'
        "for word in result.words:\n"
        '    print(f"{word.text} covers {word.cover:.1%}")\n'
    )


def command_line(recipe: Recipe) -> str:
    """Return the shell command that draws the recipe's picture.

    Regions, which are masks, and the mask of an edit go through a batch of one.
    """
    edit, picture = recipe.edit, recipe.picture
    if recipe.regions or (edit and edit.mask):
        line = batch_line(recipe)
        return f"cat > batch.jsonl <<'END'\n{line}END\ncrossattn batch batch.jsonl -o out\n"
    chosen = _chosen(recipe)
    prompts = [recipe.prompt, *([edit.prompt] if edit else [])]
    given = [picture.path, *prompts] if picture else prompts
    words = " ".join(map(shlex.quote, given))
    parts = [f"crossattn {'edit' if edit else 'words' if picture else 'heatmap'}"]
    if edit:
        parts += [f"--mode {edit.mode}"] if edit.mode else []
        parts += [f"--by {edit.by}"] if edit.by else []
        for name in _changed(edit, "cross", "share"):
            parts.append(f"--{name} {_window(getattr(edit, name))}")
        for word, window in edit.words.items():
            parts.append(f"--word {shlex.quote(f'{word}={_window(window)}')}")
        for name in _changed(edit, "begin", "threshold"):
            parts.append(f"--{name} {_number(getattr(edit, name))}")
        parts += ["--no-blend"] if edit.blend is None else []
        parts += [f"--within {shlex.quote(word)}" for word in edit.blend or ()]
        parts += [f"--protect {shlex.quote(word)}" for word in edit.protect]
    if edit and picture:
        parts += [f"--method {picture.method}"] if picture.method else []
        parts += [] if picture.put_back else ["--no-put-back"]
    parts += [f"--{name} {shlex.quote(f'{chosen[name]}')}" for name in OPTIONS if name in chosen]
    parts += ["--every-word"] if recipe.excite == () else []
    parts += [f"--excite {shlex.quote(word)}" for word in recipe.excite or ()]
    if recipe.negative_prompt:
        parts.append(f"--negative-prompt {shlex.quote(recipe.negative_prompt)}")
    if recipe.width and recipe.height:
        parts.append(f"--size {recipe.width}x{recipe.height}")
    if any(text.startswith("-") for text in given):
        parts.append(f"-- {words}")
    else:
        parts[0] += f" {words}"
    return " \\\n    ".join(parts) + "\n"


def batch_line(recipe: Recipe) -> str:
    """Return the recipe as one line of a JSONL batch."""
    return json.dumps(_chosen(recipe), ensure_ascii=False) + "\n"


def overlays_zip(picture: Image.Image, trace: Trace) -> bytes:
    """Return a ZIP of `picture` under the map of each of the trace's words, one PNG a word."""
    large = enlarged(picture)
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        for number, heat in enumerate(trace.words, start=1):
            overlay = BytesIO()
            heat.overlay(large).save(overlay, "PNG")
            archive.writestr(f"{number:02}-{slug(heat.text)}.png", overlay.getvalue())
    return file.getvalue()


def _window(shares: tuple[float, float]) -> str:
    return f"{_number(shares[0])}-{_number(shares[1])}"


def _number(value: float) -> str:
    """A number as short as it can be without becoming another."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _changed(edit: EditRecipe, *names: str) -> list[str]:
    """Those fields of an edit that are not as they are by default."""
    usual = EditRecipe.model_fields
    return [name for name in names if getattr(edit, name) != usual[name].default]


def _chosen(recipe: Recipe) -> dict[str, Any]:
    """The fields that say what to draw, the model always: not where, nor with which versions."""
    fields = recipe.model_dump(exclude_defaults=True, exclude={"versions", "digests", "device"})
    if fields.get("threads") == OWN.get(recipe.model):
        fields.pop("threads", None)
    return {"model": recipe.model, **fields}
