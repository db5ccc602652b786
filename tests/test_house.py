"""The house itself: who may import whom, what an import costs, and what the wheel holds."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"crossattn": "crossattn", "pipelines": "crossattn.pipelines", "ui": "crossattn.ui"}
LAYERS = ("crossattn", "crossattn.pipelines", "crossattn.ui")
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


def sources(folder: str) -> Iterator[Path]:
    return (ROOT / folder).rglob("*.py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> int:
    inside = [n for n, name in enumerate(LAYERS) if f"{module}.".startswith(f"{name}.")]
    return max(inside, default=-1)


def python(
    *arguments: str, cwd: Path, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("folder", FOLDERS)
def test_imports_go_from_the_front_ends_down_to_the_library_never_back(folder: str) -> None:
    own = LAYERS.index(FOLDERS[folder])
    for path in sources(folder):
        for module in imported(path):
            assert layer(module) <= own, f"{path} imports {module}"


@pytest.mark.parametrize("folder", [*FOLDERS, "tests", "samples"])
def test_nobody_imports_a_second_copy_by_a_folders_bare_name(folder: str) -> None:
    for path in sources(folder):
        for module in imported(path):
            assert module.split(".")[0] not in ("pipelines", "ui"), f"{path} imports {module}"


@pytest.mark.slow
def test_importing_the_library_loads_neither_diffusers_nor_a_front_end(tmp_path: Path) -> None:
    code = (
        "import sys, crossattn\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'gradio', 'typer'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "for name in crossattn.__all__: getattr(crossattn, name)\n"
        "late = [m for m in sys.modules if m.startswith(('gradio', 'diffusers.pipelines.'))]\n"
        "assert not late, late\n"
    )
    python("-c", code, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "later"),
    [
        ("crossattn.ui.cli", {"torch", "diffusers", "transformers", "gradio", "pydantic"}),
        ("crossattn.ui.browser.serve", {"diffusers", "transformers"}),
    ],
    ids=["the command line", "the page"],
)
def test_what_begins_loads_nothing_that_it_needs_later_alone(
    module: str, later: set[str], tmp_path: Path
) -> None:
    code = f"import sys, {module}\nheavy = {later} & set(sys.modules)\nassert not heavy, heavy\n"
    python("-c", code, cwd=tmp_path)


def test_every_package_is_listed_for_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {
        ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
        for folder, name in FOLDERS.items()
        for path in sources(folder)
    }
    # Folders of data stand there too, or setuptools warns those who set up of forgotten packages.
    data = {name for name in settings["packages"] if {"model", "static"} & set(name.split("."))}
    assert set(settings["packages"]) - data == found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the repository."""
    copy = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=NOT_SHIPPED)
    python("-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", ".", cwd=copy)
    [built] = (copy / "dist").glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_three_folders_and_no_other(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"{name.replace('.', '/')}/{path.relative_to(wheel.parents[1] / folder).as_posix()}"
        for folder, name in FOLDERS.items()
        for path in (wheel.parents[1] / folder).rglob("*")
        if path.is_file()
    }
    assert sorted(held) == sorted(expected)


@pytest.mark.slow
def test_the_wheel_works_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    python("-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(wheel), cwd=ROOT)
    where = python("-c", "import crossattn; print(crossattn.__file__)", cwd=tmp_path, path=target)
    assert Path(where.stdout.strip()).is_relative_to(target)
    command = str(target / "bin" / "crossattn")
    assert "heatmap" in python(command, "--help", cwd=tmp_path, path=target).stdout
    python(
        command, "generate", "a red car", "--steps", "1", "-o", "car.png", cwd=tmp_path, path=target
    )
    assert (tmp_path / "car.png").stat().st_size > 0
