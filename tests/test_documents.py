"""Every block of code in README and the site runs, here on small models and with few steps."""

import ast
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
from PIL import Image

from crossattn.pipelines.load import load
from crossattn.pipelines.shipped import SHIPPED
from crossattn.ui.cli import call

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT) for path in ROOT.joinpath("docs").rglob("*.md"))
PAGES = [Path("README.md"), *(page for page in PAGES if "measured" not in page.parts)]
BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
STEPS = 5
"""The fewest of which some lie in the windows of edits."""

REAL = re.compile("emoji-sd's latents|emoji-sd3")
"""What a page says that takes the model as it ships; the others run on a smaller one."""
BUILT_BY = re.compile(r"^\.PHONY: (.*)$", re.MULTILINE)


def blocks(page: Path, *languages: str) -> Iterator[tuple[str, str]]:
    """The blocks of a page in some languages, in order: language and text."""
    for _, language, text in BLOCK.findall((ROOT / page).read_text(encoding="utf-8")):
        if language in languages:
            yield language, textwrap.dedent(text)


def quickly(pipeline: type) -> Any:
    """Its `__call__`, but with a few steps, and 64 pixels unless the model is ours."""
    draw: Any = pipeline.__call__

    @functools.wraps(draw)
    def drawn(self: Any, *arguments: Any, **options: Any) -> Any:
        size = {} if self is load("emoji-sd") else {"height": 64, "width": 64}
        return draw(self, *arguments, **{**size, **options, "num_inference_steps": STEPS})

    return drawn


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sdxl_pipe: Any) -> Path:
    """A folder with what the pages take for granted, where models are small and runs are short."""
    # The tiny transformers stand in modules beside their tests.
    monkeypatch.syspath_prepend(ROOT / "tests" / "crossattn" / "families")
    from tiny_joint import flux

    tiny = {
        "StableDiffusionXLPipeline": lambda: sdxl_pipe,
        "FluxPipeline": flux,
    }
    for name, make in tiny.items():
        found = staticmethod(lambda *_, made=make, **__: made())
        monkeypatch.setattr(getattr(diffusers, name), "from_pretrained", found)
    for name in ("StableDiffusionPipeline", *tiny):
        kind = getattr(diffusers, name)
        monkeypatch.setattr(kind, "__call__", quickly(kind))
    for name, model in SHIPPED.items():
        monkeypatch.setitem(SHIPPED, name, model.__class__(**{**vars(model), "steps": STEPS}))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    for name in ("picture.png", "photo.jpg"):
        Image.new("RGB", (128, 128), "green").save(tmp_path / name)
    return tmp_path


def run_shell(line: str, sd_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run one line as a shell would; what sets a machine up must at least be there."""
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        assert words[1] in BUILT_BY.findall((ROOT / "Makefile").read_text())[0].split()
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        asked = re.findall(r"\[(.*)\]", words[-1])
        assert all(extra in extras["optional-dependencies"] for extra in asked)
    else:
        assert words[0] == "crossattn"
        words, _, to = (words[: words.index(">")], *words[-2:]) if ">" in words else (words, "", "")
        words = [str(sd_folder) if "/stable-diffusion" in word else word for word in words]
        if words[1] == "ui":
            words = ["crossattn", "ui", "--help"]
        capsys.readouterr()
        code = call(words[1:])
        said = capsys.readouterr()
        if "import" in words:
            assert code in (0, 2)  # a picture without a recipe is told to be one
        else:
            assert code == 0, (line, said.err)
        if to:
            Path(to).write_text(said.out, encoding="utf-8")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if [*blocks(page, "python", "sh")]], ids=str
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_every_block_of_a_page_runs(
    page: Path,
    here: Path,
    sd_folder: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    if not REAL.search((ROOT / page).read_text(encoding="utf-8")):
        request.getfixturevalue("small_emoji_sd")
    names: dict[str, Any] = {"__name__": "page"}
    for language, text in blocks(page, "python", "sh"):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)
        else:
            for line in filter(str.strip, text.replace("\\\n", " ").splitlines()):
                run_shell(line, sd_folder, capsys)
    if page.name == "gallery.md":
        shown = re.findall(r"!\[.*\]\(pictures/(.*)\)", (ROOT / page).read_text(encoding="utf-8"))
        assert sorted(shown) == sorted(path.name for path in (here / "pictures").iterdir())


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_is_of_a_language_that_is_run_or_of_another_tool(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for _, language, code in BLOCK.findall(text):
        assert language in ("python", "sh", "py"), f"{page}: a block in {language!r} is run by none"
        if language == "py":
            ast.parse(textwrap.dedent(code))
            assert "crossattn" not in code


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 120
    links = re.findall(r"\]\((?!http)([^)#]+)", text)
    assert len(links) > 10
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_site_is_strict_and_asks_no_other_host_for_anything(
    tmp_path: Path,
) -> None:
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(site)],
        check=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    asked = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"?(https?:|//)")
    pages = [*site.rglob("*.html")]
    assert len(pages) > 25
    for page in pages:
        assert not asked.findall(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:|//)", sheet.read_text()), sheet
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert any("LocalBlend" in entry["title"] for entry in index["docs"])
