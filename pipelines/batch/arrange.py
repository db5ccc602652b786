"""The order of work: what shares a model, a shape or a source comes together."""

from collections.abc import Iterable, Iterator

from crossattn.pipelines.batch.plan import Item, fingerprint
from crossattn.pipelines.batch.sources import source_of

MOST_TOGETHER = 16
"""Items of one source that one worker does; with more, others help and make the source too."""


def arrange(items: Iterable[Item]) -> list[list[Item]]:
    """Return groups of items, each for one worker: edits of one picture together, with itself.

    Groups of the same model follow each other, so that it is loaded as seldom as can be, and
    among them those of the same shape, which a GPU likes. The order depends on the plan alone.
    """
    models: dict[object, dict[object, dict[object, list[Item]]]] = {}
    items = tuple(items)
    edited = any(item.recipe.edit for item in items)
    for item in items:
        recipe = item.recipe
        model = (recipe.model, recipe.revision, recipe.config, recipe.dtype, recipe.device)
        shape = (recipe.height, recipe.width, recipe.steps)
        source = fingerprint(source_of(recipe)) if edited else item.id
        models.setdefault(model, {}).setdefault(shape, {}).setdefault(source, []).append(item)
    shapes = (shape for model in models.values() for shape in model.values())
    return [part for shape in shapes for group in shape.values() for part in _parts(group)]


def _parts(group: list[Item]) -> Iterator[list[Item]]:
    if all(item.recipe.edit is None for item in group):
        # The same picture under several names: nothing is saved by keeping them together.
        yield from ([item] for item in group)
        return
    for start in range(0, len(group), MOST_TOGETHER):
        yield group[start : start + MOST_TOGETHER]
