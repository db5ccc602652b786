"""The page's server as others run it: another address, a proxy, odd folders, an end by a signal."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from gradio_client import Client

from crossattn.errors import InputError
from crossattn.pipelines.recipe import Recipe
from crossattn.pipelines.run import Result, run
from crossattn.ui.browser.bounds import Bounds
from crossattn.ui.browser.serve import serve
from crossattn.ui.browser.shelf import Shelf

pytestmark = pytest.mark.slow

FIELDS = ("a red car", "", "emoji-sd", "7", 1, 1.0, "64 × 64", "", "compel", True)


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            code: int = answer.status
    except urllib.error.HTTPError as error:
        return error.code
    return code


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a#b%c?d"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def result() -> Result:
    *_, done = run(Recipe(prompt="a red car", steps=1, guidance=1.0, width=64, height=64))
    assert isinstance(done, Result)
    return done


def pages(temporary: Path) -> list[str]:
    return [path.name for path in temporary.glob("crossattn-page-*")]


def test_a_page_at_another_address_behind_a_proxy_ends_without_a_trace(temporary: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    log = temporary.with_name("log")
    command = [sys.executable, "-c", "from crossattn.ui.cli import main; main()"]
    options = ["ui", "--host", "::1", "--port", f"{port}", "--root-path", "/app"]
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with log.open("wb") as file:
        server = subprocess.Popen([*command, *options], stdout=file, stderr=file, env=quiet)
    try:
        address = f"http://[::1]:{port}/"
        deadline = time.monotonic() + 120
        while address not in log.read_text():
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        # Some proxies take the root path off, some do not.
        assert status(urljoin(address, "crossattn/page.css")) == 200
        assert status(urljoin(address, "app/crossattn/page.css")) == 200
        assert status(urljoin(address, "crossattn/none.css")) == 404
        drawn = Client(address, verbose=False).predict(*FIELDS, api_name="/generate")[1]
        for file_of in ("picture", "trace"):
            assert status(urljoin(address, drawn[file_of]["url"])) == 200
        assert len(pages(temporary)) == 2
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 128 + signal.SIGTERM
    assert pages(temporary) == []


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("example.invalid", "There is no address 'example.invalid'"),
        ("192.0.2.1", "is not an address of this machine"),
        ("a" * 80, "There is no address"),
    ],
)
def test_an_address_that_is_not_ours_is_told_as_that(host: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        serve(host=host, auth=("anna", "secret"), wait=False)


def test_what_a_killed_page_left_is_gone_at_the_next_start(temporary: Path) -> None:
    script = (
        "import os, signal\nfrom crossattn.ui.browser.shelf import Shelf\n"
        "shelf = Shelf()\n(shelf.folder / 'picture.png').touch()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    (temporary / "crossattn-page-of-somebody").mkdir()
    (left,) = temporary.glob("crossattn-page-*/picture.png")
    living = Shelf()
    assert not left.parent.exists()
    later = Shelf()
    assert living.folder.is_dir()
    for shelf in (living, later):
        shelf.close()
    assert pages(temporary) == ["crossattn-page-of-somebody"]


def test_a_shelf_whose_folder_was_cleaned_up_begins_anew(temporary: Path, result: Result) -> None:
    shelf = Shelf()
    old = shelf.put(result)
    for path in old.picture.parent.iterdir():
        path.unlink()
    old.picture.parent.rmdir()
    shelf.folder.rmdir()
    new = shelf.put(result)
    assert new.picture.is_file()
    assert shelf.folder.stat().st_mode & 0o77 == 0
    assert shelf.kept([old.id, new.id]) == [new]
    with pytest.raises(InputError, match="no longer kept here"):
        shelf.get(old.id)
    shelf.close()


@pytest.fixture
def small_shelf() -> Iterator[Shelf]:
    shelf = Shelf(most=3)
    yield shelf
    shelf.close()


def test_nobody_is_locked_out_by_the_pictures_of_others(small_shelf: Shelf) -> None:
    from crossattn.ui.browser.drawing import Models
    from crossattn.ui.browser.events import Events

    events = Events(Bounds({"emoji-sd": "emoji-sd"}), small_shelf, Models())
    held = {"regions": [], "hold": 1, "window": [0, 1]}

    def draw(made: list[str]) -> Any:
        *_, last = events.generate(*FIELDS, held, {"words": None}, made)
        return last

    mine = draw([])[-1]
    for _ in range(3):
        draw([])
    again = draw(mine)
    assert again[1]["before"] is None, "what it would be compared with has gone"
    *_, edited = events.edit(*FIELDS[:-1], "a blue car", {}, held, {"words": None}, mine)
    told = edited[1]
    draw([])
    draw([])
    # Its source has gone, and the picture itself can still be brought back.
    *_, kept = events.open({"recipe": told["code"]["Recipe"], "id": told["id"]}, mine)
    assert kept[-3]["id"] == told["id"]
    assert kept[-3]["before"] is None
