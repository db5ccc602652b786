"""The public surface: what `import crossattn` and `crossattn.controls` promise."""

import inspect
from types import ModuleType

import pytest

import crossattn
import crossattn.controls


@pytest.mark.parametrize("module", [crossattn, crossattn.controls])
def test_every_public_name_is_there_and_documented(module: ModuleType) -> None:
    for name in module.__all__:
        assert inspect.getdoc(getattr(module, name)), name
    assert module.__all__ == sorted(module.__all__)


def test_every_control_is_public() -> None:
    kinds = [crossattn.Control]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = {
        kind.__name__
        for kind in kinds
        if kind.__module__.startswith("crossattn.controls.") and not kind.__name__.startswith("_")
    }
    # What they are built from is not attached by itself.
    assert ours - {"FromSource"} <= set(crossattn.controls.__all__)
    assert "Mechanism" in ours
