"""Whatever a prompt holds: a picture whose recipe draws it again, or one sentence before the work.

`pytest --hypothesis-profile nightly --timeout 0` tries 10,000 prompts and recipes.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossattn.dialects import NOTATIONS
from crossattn.errors import CrossattnError
from crossattn.pipelines.adapter_files import adapter_files
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.whole_prompt import marks, plain_text

WORDS = ["a cat", "red", "car", "dog", "ink", "pre- and post-war", "C++", "16:9", "猫", "🎈"]
MARKS = [
    *("(", ")", "[", "]", ":1.3", ":0.5", "::", ":4", ":-1", "|", "++", "--", "\\", "<", ">", ","),
    *(" BREAK ", " AND ", " AND a dog:0.7", "<lora:ink:1>", "<lora:", "<lora:ink:te=x>", "{", "}"),
    *("__a__", "$", "embedding:", "embedding:ink", ".blend(1)", ".and()", "\0", "\ud83d", "."),
]
WHOLE = [
    *("[red:blue:0.5]", "[red::2]", "[a|b]", "(a (b:1.5):1.2)", "(red:-1)", "[<lora:ink:1>::0.5]"),
    *("<lora:ink:0.5:1>", "(embedding:ink:1.2)", "a cat AND a dog", "a cat BREAK a dog"),
]
said = st.sampled_from([*WORDS, *MARKS, *WHOLE]) | st.characters()
prompts = st.lists(said, min_size=1, max_size=8).map("".join)
# Mostly sound, so that what is drawn is reached as well.
sound = st.lists(st.sampled_from([*WORDS, *WHOLE]), min_size=1, max_size=4).map(" ".join)
recipes = st.fixed_dictionaries(
    {"prompt": sound | prompts},
    optional={
        "negative_prompt": sound | prompts,
        "dialect": st.sampled_from([*NOTATIONS]),
        "loras": st.sampled_from(["", "~nobody/x", "no folder", "x" * 999]),
        "embeddings": st.sampled_from(["~nobody/x", "no folder", "\0"]),
        "edit": st.fixed_dictionaries({"prompt": sound | prompts}),
    },
)


def read(fields: dict[str, Any]) -> Recipe | None:
    """The recipe if it can be used, else one sentence has said why not."""
    try:
        recipe = Recipe(**fields)
        adapter_files(recipe)
    except CrossattnError as error:
        assert str(error).strip() and len(str(error)) < 1500
        str(error).encode(errors="strict")
        return None
    return recipe


@settings(deadline=None)
@given(recipes)
def test_any_prompt_is_read_or_told_in_a_sentence(fields: dict[str, Any]) -> None:
    recipe = read(fields)
    if recipe is not None:
        assert Recipe.from_json(recipe.to_json()) == recipe
        plain_text(recipe.prompt, recipe.notation)
        for mark in marks(recipe.prompt, recipe.notation):
            assert mark.does


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, loaded_sd: Any) -> Path:
    """A LoRA and a textual inversion, both called ink, for the tiny pipeline."""
    import torch
    from safetensors.torch import save_file

    place = tmp_path_factory.mktemp("files")
    for kind in ("loras", "embeddings"):
        (place / kind).mkdir()
    torch.manual_seed(0)
    block = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_q"
    width = dict(loaded_sd.unet.named_modules())[block.removeprefix("unet.")].in_features
    low = {f"{block}.lora_A.weight": torch.randn(2, width)}
    save_file(
        low | {f"{block}.lora_B.weight": torch.randn(width, 2)}, place / "loras/ink.safetensors"
    )
    save_file({"emb_params": torch.randn(2, 16)}, place / "embeddings/ink.safetensors")
    return place


def finish(events: Iterator[Any]) -> Result:
    *_, result = events
    assert isinstance(result, Result)
    return result


SHARE = 20
"""One of so many examples of the profile is drawn, twice."""


@pytest.mark.slow
@settings(deadline=None, max_examples=max(5, settings.default.max_examples // SHARE))
@given(fields=recipes)
def test_any_picture_is_drawn_again_by_its_recipe(
    fields: dict[str, Any], folder: Path, loaded_sd: Any
) -> None:
    where = {kind: str(folder / kind) for kind in ("loras", "embeddings")}
    recipe = read({**fields, **where, "steps": 2, "width": 64, "height": 64})
    if recipe is None:
        return
    try:
        made = finish(run(recipe, pipe=loaded_sd))
    except CrossattnError as error:
        assert str(error).strip() and "\n" not in str(error).strip()
        return
    again = finish(run(Recipe.from_json(json.dumps(made.recipe.model_dump())), pipe=loaded_sd))
    assert again.recipe == made.recipe
    assert again.image.tobytes() == made.image.tobytes()
