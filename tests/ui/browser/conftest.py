import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    LocatorAssertions,
    Page,
    expect,
    sync_playwright,
)

SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 150_000
"""Milliseconds that a page is given: the machine may be busy."""
expect.set_options(timeout=PATIENCE)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


INSTALL = (
    ["apt-get", "install", "-y", "-qq", "chromium"],
    [sys.executable, "-m", "playwright", "install", "chromium"],
)


def find_browser(own: str) -> str | None:
    """A Chromium on this machine, or `own`, Playwright's; installed if there is none."""
    for command in ([], *INSTALL):
        if command and shutil.which(command[0]):
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=600, check=False)
        found = next(filter(None, map(shutil.which, NAMES)), None)
        if found or Path(own).exists():
            return found or own
    return None


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        found = find_browser(playwright.chromium.executable_path)
        if found is None:
            sentence = (
                "The page's tests need Chromium, and none could be found or installed: "
                "apt-get install chromium, or python -m playwright install chromium."
            )
            if os.environ.get("CI"):
                pytest.fail(sentence)
            pytest.skip(sentence)
        started = playwright.chromium.launch(executable_path=found, args=list(SWITCHES))
        yield started
        started.close()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


@pytest.fixture(scope="session")
def start_page(
    sd_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[float], str]]:
    """Starts a server of the page whose steps take so many seconds longer; gives its address."""
    processes: list[subprocess.Popen[bytes]] = []
    log = (tmp_path_factory.mktemp("page") / "log").open("wb")

    def start(pause: float) -> str:
        port = free_port()
        script = Path(__file__).with_name("page_server.py")
        command = [sys.executable, str(script), str(sd_folder), str(port), str(pause)]
        processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        address = f"http://127.0.0.1:{port}/"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and processes[-1].poll() is None:
            try:
                urllib.request.urlopen(address, timeout=5).close()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
            else:
                return address
        pytest.fail(f"The page did not start: {Path(log.name).read_text()[-2000:]}")

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)
    log.close()


@pytest.fixture(scope="session")
def address(start_page: Callable[[float], str]) -> str:
    """Where the page of most tests is."""
    return start_page(0.0)


@pytest.fixture(scope="session")
def slow_address(start_page: Callable[[float], str]) -> str:
    """Where a page is whose steps take a quarter of a second, so that there is time to act."""
    return start_page(0.25)


class Person:
    """Somebody at the page."""

    prompt = "a red car left of a blue balloon on grass"

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def see(self, selector: str) -> LocatorAssertions:
        """What is seen there, sooner or later."""
        return expect(self.page.locator(selector))

    def open(self, address: str) -> "Person":
        """Open the page and wait until it can be used."""
        self.page.goto(address)
        self.page.wait_for_function(
            "document.querySelector('#status')?.textContent.endsWith('ready')"
            " && document.querySelector('#stage')"
        )
        self.page.wait_for_function(
            "document.querySelector('#prompt-hint')?.textContent.length > 5"
        )
        return self

    def write(self, prompt: str = prompt, *, steps: int = 4) -> "Person":
        """Type a prompt and a number of steps."""
        self.page.fill("#prompt textarea", prompt)
        self.page.fill("#steps input[type=number]", str(steps))
        self.page.press("#steps input[type=number]", "Tab")
        return self

    def generate(self) -> "Person":
        """Press Generate and wait for the picture."""
        self.page.click("#go")
        return self.wait()

    def wait(self) -> "Person":
        """Wait until nothing is being drawn."""
        self.page.wait_for_function("!document.body.classList.contains('busy')")
        self.page.wait_for_selector(".chip")
        return self

    def until_step(self, step: int) -> "Person":
        """Wait until the run under way has made so many steps."""
        self.page.wait_for_function(
            "step => Number(/Step (\\d+) of/.exec("
            "document.querySelector('#caption').textContent)?.[1]) >= step",
            arg=step,
        )
        return self

    def tab(self, name: str) -> "Person":
        """Turn to a tab of the controls."""
        self.page.click(f"#controls [role=tab]:has-text('{name}')")
        return self

    def chip(self, word: str) -> Any:
        """A word's chip."""
        return self.page.locator(".chip", has=self.page.get_by_text(word, exact=True)).first

    def weight(self, word: str) -> str:
        """The weight that a word's chip shows."""
        return str(self.chip(word).locator(".k span").inner_text())

    def overlay(self) -> list[list[int]]:
        """What is drawn over the picture: red, green, blue and opacity at 24 × 24 places."""
        seen: list[list[int]] = self.page.evaluate(
            """() => {
              const drawn = document.querySelector("#overlay");
              const all = drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height).data;
              const at = (x, y) => 4 * (Math.floor(y) * drawn.width + Math.floor(x));
              return Array.from({length: 576}, (_, place) => {
                const x = ((place % 24) + 0.5) * drawn.width / 24;
                const y = (Math.floor(place / 24) + 0.5) * drawn.height / 24;
                return [...all.slice(at(x, y), at(x, y) + 4)];
              });
            }"""
        )
        return seen

    def over(self) -> str | None:
        """How attention is drawn just now: none, heat, pins, spotlight or contours."""
        return self.page.get_attribute("#stage", "data-over")

    def told(self) -> str:
        """What the page has told in a message that came up."""
        message = self.page.locator(".toast-body").last
        message.wait_for()
        return str(message.inner_text())


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """What the pages of the tests share, so that what they load is loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def person(window: BrowserContext, address: str) -> Iterator[Person]:
    """Somebody who has just opened the page."""
    one = Person(window.new_page())
    yield one.open(address)
    one.page.close()
    assert not one.faults


@pytest.fixture(scope="session")
def drawn_page(window: BrowserContext, address: str) -> Person:
    """A page with a picture on it, which the tests share."""
    return Person(window.new_page()).open(address).write().generate()


@pytest.fixture
def drawn(drawn_page: Person) -> Iterator[Person]:
    """Somebody with a picture in front of them, nothing pinned and nothing pointed at."""
    page = drawn_page.page
    if page.locator("#caption button:has-text('Clear')").count():
        page.click("#caption button:has-text('Clear')")
    page.mouse.move(2, 2)
    yield drawn_page
    assert not drawn_page.faults
