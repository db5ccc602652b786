"""Cut a release: `make release` checks, builds, looks into what was built, installs it and runs it.

The version stands in pyproject.toml alone, and CHANGELOG.md must have a section for it. The wheel
and the source archive go to dist/. The wheel is then installed into clean environments, with the
lowest versions that pyproject.toml allows and with those of constraints.txt, and draws a heat map
in both, and a three-line recording of a pipeline of somebody's own. Where the lowest torch comes
with CUDA's gigabytes alone, it is only resolved, the tested one is installed in its place, and
that is said; --cuda installs it. Takes minutes.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
LARGEST = 80_000_000
"""Bytes that neither file may exceed."""
SOURCES = {"crossattn": "crossattn", "pipelines": "crossattn/pipelines", "ui": "crossattn/ui"}
LEFT_OUT = {".pyc", ".pyo"}
TINY = """
from diffusers import StableDiffusionPipeline
from crossattn import Recorder, attach
from crossattn.pipelines.emoji_sd import model_path

pipe = StableDiffusionPipeline.from_pretrained(model_path())
recorder = Recorder()
with attach(pipe, recorder, prompt="a red car"):
    pipe("a red car", num_inference_steps=1)
print(f"car: {recorder.trace['car'].mass:.2%} of all attention")
"""


def fail(sentence: str) -> None:
    """Stop with a sentence."""
    sys.exit(f"release: {sentence}")


def run(*command: object, **options: object) -> None:
    """Run a command, or stop."""
    done = subprocess.run([str(part) for part in command], check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        fail(f"{' '.join(str(part) for part in command)[:200]} ended with {done.returncode}.")


def check_changelog(version: str, changelog: str) -> None:
    """Stop unless the changelog has a dated section for the version, and nothing after it waits."""
    if not re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    ):
        fail(
            f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD': rename [Unreleased], or "
            "set another version in pyproject.toml."
        )


def lowest(requirements: Iterable[str]) -> list[str]:
    """The lowest versions that requirements allow, pinned."""
    return [re.sub(r">=\s*([\d.]+).*", r"==\1.*", one) for one in requirements]


def expected(root: Path) -> set[str]:
    """The files of the three folders, by their names in the wheel."""
    return {
        f"{place}/{path.relative_to(root / folder).as_posix()}"
        for folder, place in SOURCES.items()
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix not in LEFT_OUT and "__pycache__" not in path.parts
    }


def check_contents(wheel: Path, archive: Path) -> None:
    """Stop if either file is too large, lacks a file of the three folders, or holds another."""
    for built in (wheel, archive):
        size = built.stat().st_size
        print(f"{built.name}: {size / 1e6:.1f} MB")
        if size > LARGEST:
            fail(f"{built.name} has {size / 1e6:.0f} MB: at most {LARGEST / 1e6:.0f} may ship.")
    with ZipFile(wheel) as zipped:
        held = {name for name in zipped.namelist() if ".dist-info/" not in name}
    if differing := held ^ expected(ROOT):
        fail(f"the wheel and the folders differ by {', '.join(sorted(differing)[:5])}.")
    with tarfile.open(archive) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    sources = {re.sub("^crossattn/(pipelines|ui)/", r"\1/", name) for name in expected(ROOT)}
    lacking = {"pyproject.toml", "README.md", "LICENSE", *sources} - names
    if lacking:
        fail(f"the source archive lacks {', '.join(sorted(lacking))}.")


def resolved(python: Path, wheel: Path, pins: Sequence[str]) -> dict[str, str]:
    """The versions, by name, that pip would install of a wheel with pins; stops if none fit."""
    report = wheel.with_suffix(".json")
    run(*pip_install(python), "--dry-run", "--ignore-installed", "--report", report, wheel, *pins)
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    report.unlink()
    return {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in found}


def without_cuda(pins: Sequence[str], found: Mapping[str, str], tested: str) -> list[str]:
    """The pins, but the tested torch where the one that was found comes with CUDA; says so."""
    heavy = [name for name in found if name.startswith("nvidia-")]
    if not heavy:
        return [*pins]
    print(
        f"  not run: torch {found['torch']}, which is offered with {len(heavy)} packages of CUDA "
        f"alone; it fits together with the rest, and {tested} is run in its place (--cuda runs it)."
    )
    return [tested if pin.startswith("torch==") else pin for pin in pins]


def pip_install(python: Path) -> list[object]:
    """The beginning of a quiet command of pip's."""
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def try_wheel(wheel: Path, folder: Path, pins: Sequence[str], tested: str = "") -> None:
    """Install the wheel into a clean environment with pins, and do the main job there.

    Given the `tested` torch, pinned, it is taken in the place of one that comes with CUDA.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    if tested:
        pins = without_cuda(pins, resolved(python, wheel, pins), tested)
    run(*pip_install(python), wheel, *pins)
    run(
        folder / "bin" / "crossattn",
        "heatmap",
        "a red car",
        "--steps",
        "2",
        "-o",
        "maps",
        cwd=folder,
    )
    run(python, "-W", "ignore", "-c", TINY, cwd=folder)
    code = "import torch, diffusers, transformers as t; print(torch.__version__, *map("
    code += "lambda one: f'{one.__name__} {one.__version__}', (diffusers, t)), sep=', ')"
    run(python, "-W", "ignore", "-c", f"print('  ran with torch ', end=''); {code}", cwd=folder)


def main() -> None:
    """Do it all, or stop at the first thing that is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-environments", action="store_true", help="leave out the installing")
    parser.add_argument("--cuda", action="store_true", help="run the lowest torch, CUDA and all")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    check_changelog(project["version"], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    quiet = {"stdout": subprocess.DEVNULL}
    run(sys.executable, "-W", "ignore", "-m", "build", "--no-isolation", ROOT, **quiet)
    [wheel], [archive] = (ROOT / "dist").glob("*.whl"), (ROOT / "dist").glob("*.tar.gz")
    check_contents(wheel, archive)
    if options.no_environments:
        return
    with tempfile.TemporaryDirectory() as folder:
        constraints = ROOT / "constraints.txt"
        [tested] = re.findall("^torch==.*$", constraints.read_text(encoding="utf-8"), re.MULTILINE)
        print("lowest versions:", flush=True)
        pins = lowest(project["dependencies"])
        try_wheel(wheel, Path(folder) / "lowest", pins, "" if options.cuda else tested)
        print("tested versions:", flush=True)
        try_wheel(wheel, Path(folder) / "tested", ["-c", str(constraints)])
    print(f"dist/ holds crossattn {project['version']}.")


if __name__ == "__main__":
    main()
