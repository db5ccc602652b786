"""A command line that stands for a recipe is read as that very recipe."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossattn.errors import CrossattnError
from crossattn.pipelines import named_words
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.snippets import command_line
from crossattn.pipelines.threads import with_threads
from crossattn.ui import options
from crossattn.ui.cli import call

pytestmark = pytest.mark.slow

share = st.floats(0, 1, exclude_max=True).map(abs)
window = st.tuples(share, share).map(sorted)
text = st.text("ab -'\"$\\=&", min_size=1, max_size=12).filter(str.strip)
word = st.text("ab =-'\"", min_size=1, max_size=6).filter(str.strip)
edits = st.fixed_dictionaries(
    {"prompt": text, "cross": window, "share": window, "begin": share, "threshold": share},
    optional={
        "mode": st.sampled_from(["replace", "refine"]),
        "by": st.sampled_from(["words", "nouns"]),
        "words": st.dictionaries(word, window, max_size=2),
        "blend": st.none() | st.lists(word, max_size=2),
    },
)
recipes = st.fixed_dictionaries(
    {"prompt": text},
    optional={
        "negative_prompt": text,
        "seed": st.integers(0, 2**63 - 1),
        "steps": st.integers(1, 1000),
        "guidance": st.floats(0, 50).map(abs),
        "model": word.filter(lambda name: not name.startswith("-")),
        "scheduler": st.sampled_from(["ddim", "euler-a"]),
        "dialect": st.sampled_from(["a1111", "compel"]),
        "threads": st.integers(1, 64),
        "excite": st.none() | st.lists(word, max_size=2),
        "edit": edits,
    },
).filter(lambda one: one.get("excite") is None or not one.get("edit", {}).get("begin"))


class ReadError(CrossattnError):
    """Ends a command once its recipe is known."""


def as_read(line: str) -> Recipe:
    read: list[Recipe] = []
    whole = options.recipe_of

    def keep(prompt: str, chosen: dict[str, Any], **more: Any) -> Recipe:
        read.append(whole(prompt, chosen, **more))
        raise ReadError("that is all")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "recipe_of", keep)
        patch.setattr(named_words, "check_words", lambda recipe: None)
        assert call(shlex.split(line.replace(" \\\n    ", " "))[1:]) == 2
    return read[0]


@given(fields=recipes)
def test_any_recipe_survives_its_command_line(fields: dict[str, Any]) -> None:
    recipe = Recipe(**fields)
    assert with_threads(as_read(command_line(recipe))) == with_threads(recipe)


@pytest.mark.parametrize("steps", [7, 15, 30])
def test_a_window_of_whole_steps_stays_whole(steps: int) -> None:
    for step in range(steps + 1):
        recipe = Recipe(prompt="a", edit={"prompt": "b", "cross": (0, step / steps)})
        assert as_read(command_line(recipe)) == recipe
