"""The order of work: what shares a model, a shape or a source comes together."""

from collections.abc import Iterable

from crossattn.pipelines.batch.plan import Item


def arrange(items: Iterable[Item]) -> list[list[Item]]:
    """Return groups of items, each for one worker, so that models are loaded as seldom as can be.

    Groups of the same model follow each other, and among them those of the same shape, which a
    GPU likes. The order depends on the plan alone.
    """
    buckets: dict[tuple[object, ...], dict[tuple[object, ...], list[list[Item]]]] = {}
    for item in items:
        recipe = item.recipe
        model = (recipe.model, recipe.revision, recipe.config, recipe.dtype, recipe.device)
        shape = (recipe.height, recipe.width, recipe.steps)
        buckets.setdefault(model, {}).setdefault(shape, []).append([item])
    return [group for shapes in buckets.values() for groups in shapes.values() for group in groups]
