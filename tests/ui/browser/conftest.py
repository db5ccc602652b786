import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from person import PATIENCE, Person


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Whatever opens the page or a browser is slow."""
    for item in items:
        if {"browser", "start_page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from chromium import SWITCHES, find_browser

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
def page_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages' servers write what they say."""
    return tmp_path_factory.mktemp("page") / "log"


@pytest.fixture(scope="session")
def start_page(
    sd_folder: Path, page_log: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[float], str]]:
    """Starts a server of the page whose steps take so many seconds longer; gives its address."""
    processes: list[subprocess.Popen[bytes]] = []
    log = page_log.open("wb")
    loras = tmp_path_factory.mktemp("loras")
    (loras / "ink.safetensors").touch()

    def start(pause: float) -> str:
        port = free_port()
        script = Path(__file__).with_name("page_server.py")
        command = [sys.executable, str(script), str(sd_folder), str(loras), str(port), str(pause)]
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
        pytest.fail(f"The page did not start: {page_log.read_text()[-2000:]}")

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


@pytest.fixture
def steps_made(page_log: Path) -> Callable[[], int]:
    """How many steps the pages' servers have made by now."""
    return lambda: page_log.read_text().splitlines().count("step")


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """What the pages of the tests share, so that what they load is loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@contextmanager
def somebody(window: BrowserContext, address: str) -> Iterator[Person]:
    """Somebody who has just opened a page in a tab of their own."""
    one = Person(window.new_page())
    yield one.open(address)
    one.page.close()
    assert not one.faults


@pytest.fixture
def person(window: BrowserContext, address: str) -> Iterator[Person]:
    """Somebody who has just opened the page."""
    with somebody(window, address) as one:
        yield one


@pytest.fixture
def waiting(window: BrowserContext, slow_address: str) -> Iterator[Person]:
    """Somebody at a page whose steps take a while."""
    with somebody(window, slow_address) as one:
        yield one


@pytest.fixture(scope="session")
def drawn_page(window: BrowserContext, address: str) -> Person:
    """A page with a picture on it, which the tests share."""
    return Person(window.new_page()).open(address).write().generate()


@pytest.fixture
def drawn(drawn_page: Person) -> Iterator[Person]:
    """Somebody with a picture in front of them, nothing pinned and nothing pointed at."""
    page = drawn_page.page
    page.mouse.move(2, 2)
    drawn_page.see("#stage").not_to_have_attribute("data-over", "heat")
    if page.locator("#caption button:has-text('Clear')").count():
        page.click("#caption button:has-text('Clear')")
        page.mouse.move(2, 2)
    drawn_page.sees_over("none")
    yield drawn_page
    assert not drawn_page.faults
