"""On how many CPU threads a run computes: sums are split among them, so the last bits tell."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch

from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.shipped import SHIPPED

OWN = {name: model.threads for name, model in SHIPPED.items()}
"""Models that have a number of threads of their own, whatever the machine."""

Given = ParamSpec("Given")
Event = TypeVar("Event")
Run = Callable[Concatenate[Sequence[Recipe], Given], Generator[Event]]


def with_threads(recipe: Recipe, otherwise: int | None = None) -> Recipe:
    """Return a recipe that says how many threads it is computed on, with a choice filled in.

    The models that ship take one, so that their pictures are the same by every way in; others take
    `otherwise`, or as many as torch does.
    """
    if recipe.threads:
        return recipe
    return recipe.replace(threads=OWN.get(recipe.model) or otherwise or torch.get_num_threads())


def on_its_threads(
    run: Run[Given, Event],
) -> Callable[Concatenate[Sequence[Recipe], Given], Iterator[Event]]:
    """Make a run of recipes compute on their threads, and leave the caller's as they are.

    The number is set anew for each event, because runs may be interleaved, and each of their
    events asked for from another thread of Python.
    """

    @wraps(run)
    def bounded(
        recipes: Sequence[Recipe], /, *given: Given.args, **named: Given.kwargs
    ) -> Iterator[Event]:
        recipes = [with_threads(recipe) for recipe in recipes]
        with closing(run(recipes, *given, **named)) as events:
            while True:
                before = torch.get_num_threads()
                torch.set_num_threads(recipes[0].threads or before)
                try:
                    event = next(events)
                except StopIteration:
                    return
                finally:
                    torch.set_num_threads(before)
                yield event

    return bounded
