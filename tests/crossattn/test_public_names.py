"""The public surface: what `import crossattn` promises."""

import inspect
import subprocess
import sys

import crossattn


def test_every_public_name_is_there_and_documented() -> None:
    for name in crossattn.__all__:
        assert inspect.getdoc(getattr(crossattn, name)), name
    assert crossattn.__all__ == sorted(crossattn.__all__)


def test_importing_it_loads_neither_torch_nor_a_front_end_nor_pipelines() -> None:
    heavy = ("torch", "diffusers", "transformers", "gradio", "crossattn.pipelines")
    code = f"import sys, crossattn; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found.strip() == "[]"


def test_attaching_loads_no_pipeline_of_the_host_library() -> None:
    code = (
        "import sys; from crossattn import *; "
        "print([m for m in sys.modules if m.startswith('diffusers.pipelines.')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found.strip() == "[]"
