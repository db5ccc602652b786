"""Recipe in, picture and trace out: `run(recipe)` is the whole system."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from crossattn.control import Control
from crossattn.pipelines.denoise import Progress
from crossattn.pipelines.draw import draw
from crossattn.pipelines.edit import Edited, edit
from crossattn.pipelines.invert import look
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.result import Result
from crossattn.pipelines.settle import pipeline_of

if TYPE_CHECKING:
    from crossattn.pipelines.load import Pipeline

__all__ = ["Result", "run"]


def run(
    recipe: Recipe,
    *,
    pipe: "Pipeline | None" = None,
    bins: int = 1,
    heads: bool = False,
    controls: Sequence[Control] = (),
    before: Sequence[Tensor] = (),
) -> Generator[Progress | Result]:
    """Make a picture and record which words attend where: `Progress` per call, then a `Result`.

    Without `pipe` the recipe's model is loaded. `bins` is the number of groups of steps that the
    trace keeps apart, `heads` keeps each head too; `controls` are attached before the recorder;
    the first calls are left out of which `before` knows what the scheduler was given, as `denoise`
    says. The noise comes from a generator on the CPU, whatever the device. Each run is as if alone,
    however many go on at once, and leaves the pipeline as it was; closing the iterator stops it. A
    recipe that edits gives the edited picture, and one of a picture that exists that picture, and
    where the words of its caption are. Raises CrossattnError in its kinds.
    """
    if recipe.edit is not None:
        for change in edit(recipe, pipe=pipe, bins=bins, heads=heads):
            yield change.result if isinstance(change, Edited) else change
        return
    if recipe.picture is not None:
        yield look(recipe, pipe or pipeline_of(recipe), bins=bins, heads=heads)
        return
    for event in draw(
        [recipe], pipe=pipe, bins=bins, heads=heads, controls=controls, before=before
    ):
        yield event[0] if isinstance(event, list) else event
