"""Edits of one picture share its run: it is made once for all that come together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crossattn.pipelines.recipe import Recipe

if TYPE_CHECKING:
    from crossattn.controls import Window
    from crossattn.pipelines.edit import Source
    from crossattn.pipelines.edit_report import EditReport
    from crossattn.pipelines.run import Result

Shares = tuple[float, float]


class SharedSources:
    """The source that the expected edits have in common, made when the first of them is drawn."""

    def __init__(self, expected: Sequence[Recipe] = ()) -> None:
        self._expected = expected
        self._kept: tuple[Recipe, Source] | None = None

    def draw(self, recipe: Recipe) -> "tuple[Result, EditReport | None]":
        """Draw a recipe, and say what its edit did if it has one; raises as `run` does.

        The picture that edits start from is itself drawn by the run that is kept for them.
        """
        from crossattn.pipelines.edit import Edited, edit
        from crossattn.pipelines.run import Result, run

        if recipe.edit is None and not self._edits(recipe):
            *_, result = run(recipe)
            assert isinstance(result, Result)
            return result, None
        source = self._source(recipe)
        if recipe.edit is None:
            return source.result, None
        *_, edited = edit(recipe, source=source)
        assert isinstance(edited, Edited)
        return edited.result, edited.report

    def _edits(self, recipe: Recipe) -> list[Recipe]:
        source = recipe.source
        return [each for each in self._expected if each.edit is not None and each.source == source]

    def _source(self, recipe: Recipe) -> "Source":
        from crossattn.pipelines.edit import Source, keep_source

        wanted = recipe.source
        if self._kept is None or self._kept[0] != wanted:
            self._kept = None
            edits = [*self._edits(recipe), *([recipe] if recipe.edit else [])]
            cross, share = _windows(edits)
            *_, source = keep_source(wanted, cross=cross, share=share)
            assert isinstance(source, Source)
            self._kept = wanted, source
        return self._kept[1]


def _windows(edits: Sequence[Recipe]) -> "tuple[Window, Window]":
    """The widest windows of edits, of words and of pixels."""
    from crossattn.pipelines.edit_choices import windows
    from crossattn.pipelines.settle import pipeline_of

    each = [windows(recipe, pipeline_of(recipe)) for recipe in edits]
    own = [shares for one in edits if one.edit is not None for shares in one.edit.words.values()]
    return _hull([*(cross for cross, _ in each), *own]), _hull([share for _, share in each])


def _hull(windows: Sequence[Shares]) -> "Window":
    from crossattn.controls import Window

    return Window(min(start for start, _ in windows), max(end for _, end in windows))
