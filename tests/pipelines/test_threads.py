"""The same picture by every way in, on a machine of several cores."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from crossattn.pipelines.batch import run_batch
from crossattn.pipelines.batch.plan import full_fields
from crossattn.pipelines.edit import Edited, edit
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.pipelines.threads import on_its_threads, with_threads

pytestmark = pytest.mark.slow

ROW = {"prompt": "a red car on grass", "steps": 2, "seed": 3}


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def drawn(recipe: Recipe) -> Result:
    *_, result = run(recipe)
    assert isinstance(result, Result)
    return result


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("more", [{}, {"edit": {"prompt": "a blue car on grass"}}])
def test_a_picture_alone_is_that_of_a_batch_and_its_recipe_draws_it_again(more: dict) -> None:
    alone = drawn(Recipe(**ROW, **more))
    (batched,) = run_batch([{**ROW, **more}])
    again = drawn(batched.recipe)
    assert batched.image.tobytes() == alone.image.tobytes() == again.image.tobytes()
    assert full_fields(batched.recipe) == full_fields(alone.recipe) == full_fields(again.recipe)
    assert alone.recipe.threads == 1


@pytest.mark.usefixtures("two_threads")
def test_another_number_of_threads_is_another_picture_that_its_recipe_draws_again() -> None:
    two = drawn(Recipe(**ROW, threads=2))
    assert two.image.tobytes() != drawn(Recipe(**ROW)).image.tobytes()
    torch.set_num_threads(1)
    assert drawn(two.recipe).image.tobytes() == two.image.tobytes()


@pytest.mark.usefixtures("two_threads")
def test_a_batch_of_any_model_says_on_how_many_threads_it_drew(sd_folder: Path) -> None:
    row = {"prompt": "a dog", "steps": 1, "model": str(sd_folder)}
    results = run_batch([row, {**row, "threads": 2}, {**row, "threads": 2, "edit": "a cat"}])
    assert [result.recipe.threads for result in results] == [1, 2, 2]
    assert with_threads(Recipe(**row)).threads == 2


@pytest.mark.usefixtures("two_threads")
def test_runs_that_take_turns_keep_to_their_own_threads() -> None:
    @on_its_threads
    def counts(recipes: Sequence[Recipe]) -> Generator[int]:
        for _ in range(2):
            yield torch.get_num_threads()

    one, three = (counts([Recipe(prompt="a", threads=threads)]) for threads in (1, 3))
    seen = [(next(one), next(three), torch.get_num_threads()) for _ in range(2)]
    assert seen == [(1, 3, 2)] * 2


@pytest.mark.usefixtures("two_threads")
def test_the_source_of_an_edit_is_drawn_on_its_threads(sd_folder: Path) -> None:
    recipe = Recipe(
        prompt="a dog", steps=1, model=str(sd_folder), threads=1, edit={"prompt": "a cat"}
    )
    *_, done = edit(recipe)
    assert isinstance(done, Edited)
    assert done.source.result.recipe.threads == done.result.recipe.threads == 1
