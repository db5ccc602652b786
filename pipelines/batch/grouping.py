"""The order of work: what shares a model, a shape or a source comes together."""

from collections.abc import Hashable, Iterable, Iterator

from crossattn.pipelines.batch.plan import Item, fingerprint
from crossattn.pipelines.drawn_alone import drawn_alone
from crossattn.pipelines.load import likely_device
from crossattn.pipelines.recipe import Recipe

MOST_TOGETHER = 16
"""Items of one source that one worker does; with more, others help and make the source too."""


MOST_AT_ONCE = 4
"""Pictures of one shape that a device other than a CPU draws at once."""


def grouped(items: Iterable[Item]) -> list[list[Item]]:
    """Return groups of items, each for one worker: edits of one picture together, with itself.

    Groups of the same model follow each other, so that it is loaded as seldom as can be, and
    among them those of the same shape. A device that gains by it is given several pictures of one
    shape together; on a CPU each has its own bytes. The order depends on the plan and the device.
    """
    models: dict[object, dict[object, dict[object, list[Item]]]] = {}
    items = tuple(items)
    edited = any(item.recipe.edit for item in items)
    for item in items:
        recipe = item.recipe
        model = (recipe.model, recipe.revision, recipe.config, recipe.dtype, recipe.device)
        shape = (recipe.height, recipe.width, recipe.steps)
        source = fingerprint(recipe.source) if edited else item.id
        models.setdefault(model, {}).setdefault(shape, {}).setdefault(source, []).append(item)
    shapes = (shape for model in models.values() for shape in model.values())
    groups = [part for shape in shapes for group in shape.values() for part in _parts(group)]
    return _at_once(groups)


def _parts(group: list[Item]) -> Iterator[list[Item]]:
    if all(item.recipe.edit is None for item in group):
        # The same picture under several names: nothing is saved by keeping them together.
        yield from ([item] for item in group)
        return
    for start in range(0, len(group), MOST_TOGETHER):
        yield group[start : start + MOST_TOGETHER]


def _at_once(groups: list[list[Item]]) -> list[list[Item]]:
    """Join groups of one picture each into some of several of one shape, where that is quicker."""
    joined: list[list[Item]] = []
    last: dict[Hashable, list[Item]] = {}
    for group in groups:
        shape = _shape(group[0].recipe) if len(group) == 1 else None
        if shape is not None and 0 < len(last.get(shape, ())) < MOST_AT_ONCE:
            last[shape] += group
        else:
            joined.append(group)
            last[shape] = group
    return joined


def _shape(recipe: Recipe) -> Hashable | None:
    """Return what pictures drawn at once have in common; None for one that is drawn alone."""
    if (recipe.device or likely_device()) == "cpu" or drawn_alone(recipe):
        return None
    own = {"prompt", "negative_prompt", "seed", "versions", "digests"}
    return tuple(recipe.model_dump(exclude=own).values())
