"""Textual inversions that a prompt names are the host's own, and leave the model plain."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from crossattn.errors import RecipeError
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a textual inversion of three vectors, and one of another model."""
    place = tmp_path_factory.mktemp("embeddings")
    torch.manual_seed(0)
    save_file({"emb_params": torch.randn(3, 16)}, place / "foggy-ink.safetensors")
    save_file({"emb_params": torch.randn(1, 5)}, place / "other.safetensors")
    return place


def draw(pipe: Any, prompt: str, folder: Path | None = None, **more: Any) -> Result:
    where = str(folder) if folder else None
    events: Iterator[Any] = run(
        Recipe(prompt=prompt, embeddings=where, steps=3, seed=3, **more), pipe=pipe
    )
    *_, result = events
    assert isinstance(result, Result)
    return result


@pytest.fixture
def host(sd_pipe: Any, folder: Path) -> Any:
    """A copy of the pipeline into which diffusers loaded the file."""
    own = copy.copy(sd_pipe)
    own.tokenizer, own.text_encoder = (
        copy.deepcopy(part) for part in (sd_pipe.tokenizer, sd_pipe.text_encoder)
    )
    own.load_textual_inversion(folder, weight_name="foggy-ink.safetensors", token="foggy-ink")
    return own


def test_a_name_stands_for_its_vectors_as_in_the_host(
    sd_pipe: Any, host: Any, folder: Path
) -> None:
    def size() -> tuple[int, int]:
        return len(sd_pipe.tokenizer), len(sd_pipe.text_encoder.get_input_embeddings().weight)

    before = size()
    plain = draw(sd_pipe, "a foggy-ink car")
    made = draw(sd_pipe, "a foggy-ink car", folder)
    assert made.image.tobytes() == draw(host, "a foggy-ink car").image.tobytes()
    assert made.image.tobytes() != plain.image.tobytes()
    assert [(word.text, word.tokens) for word in made.words] == [
        ("a", (1,)),
        ("foggy-ink", (2, 3, 4)),
        ("car", (5,)),
    ]
    assert list(made.recipe.digests) == ["textual inversion foggy-ink"]
    assert draw(sd_pipe, "a foggy-ink car").image.tobytes() == plain.image.tobytes()
    assert size() == before


def test_each_dialect_has_its_own_way_to_ask(sd_pipe: Any, host: Any, folder: Path) -> None:
    against = draw(host, "a car", negative_prompt="foggy-ink", dialect="comfy")
    asked = draw(sd_pipe, "a car", folder, negative_prompt="embedding:foggy-ink", dialect="comfy")
    assert asked.image.tobytes() == against.image.tobytes()
    weighed = draw(host, "a (foggy-ink:1.3) car", dialect="comfy")
    marked = draw(sd_pipe, "a (embedding:foggy-ink:1.3) car", folder, dialect="comfy")
    assert marked.image.tobytes() == weighed.image.tobytes()
    assert not draw(sd_pipe, "a foggy-ink car", folder, dialect="comfy").recipe.digests
    capital = draw(sd_pipe, "a Foggy-Ink car", folder, dialect="a1111")
    small = draw(host, "a foggy-ink car", dialect="a1111")
    assert capital.image.tobytes() == small.image.tobytes()


@pytest.mark.parametrize(
    ("prompt", "more", "sentence"),
    [
        ("a other car", {}, "other.safetensors does not fit this model: "),
        ("embedding:fogy-ink", {"dialect": "comfy"}, 'did you mean "foggy-ink"'),
        ("a foggy-ink car", {"edit": {"prompt": "a dog"}}, "which is not served; take it out"),
    ],
)
def test_what_cannot_be_loaded_is_told(
    sd_pipe: Any, folder: Path, prompt: str, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RecipeError, match=sentence):
        draw(sd_pipe, prompt, folder, **more)


def test_a_folder_must_be_said(sd_pipe: Any) -> None:
    with pytest.raises(RecipeError, match=r"no folder to look in.*--embeddings"):
        draw(sd_pipe, "embedding:ink", dialect="comfy")
