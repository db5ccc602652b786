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
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    LocatorAssertions,
    Page,
    expect,
    sync_playwright,
)

sys.path.insert(0, str(Path(__file__).parent))
PATIENCE = 150_000
"""Milliseconds that a page is given: the machine may be busy."""
expect.set_options(timeout=PATIENCE)
OVERLAY = """() => {
  const drawn = document.querySelector("#overlay");
  const all = drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height).data;
  const at = (x, y) => 4 * (Math.floor(y) * drawn.width + Math.floor(x));
  return Array.from({length: 576}, (_, place) => {
    const x = ((place % 24) + 0.5) * drawn.width / 24;
    const y = (Math.floor(place / 24) + 0.5) * drawn.height / 24;
    return [...all.slice(at(x, y), at(x, y) + 4)];
  });
}"""


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
def start_page(sd_folder: Path, page_log: Path) -> Iterator[Callable[[float], str]]:
    """Starts a server of the page whose steps take so many seconds longer; gives its address."""
    processes: list[subprocess.Popen[bytes]] = []
    log = page_log.open("wb")

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


class Person:
    """Somebody at the page."""

    prompt = "a red car left of a blue balloon on grass"

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.faults: list[str] = []
        # Whoever comes finds nothing that another has left, and finds their own after a refresh.
        page.add_init_script(
            "if (!sessionStorage.here) { localStorage.clear(); sessionStorage.here = 1; }"
        )
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def see(self, selector: str) -> LocatorAssertions:
        """What is seen there, sooner or later."""
        return expect(self.page.locator(selector))

    def open(self, address: str) -> "Person":
        """Open the page and wait until it can be used."""
        self.page.goto(address)
        return self.arrive()

    def arrive(self) -> "Person":
        """Wait until every part of the page is alive and the prompt has been read."""
        self.page.wait_for_function(
            "document.querySelectorAll('[data-alive]').length === 15"
            " && document.querySelector('#prompt-hint').textContent.length > 5"
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
        """Wait until nothing is being drawn and the picture is seen."""
        self.rest()
        self.page.wait_for_selector("#picture[data-shown]")
        return self

    def rest(self) -> None:
        """Wait until nothing is being drawn."""
        self.page.wait_for_function("!document.body.classList.contains('busy')")

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
        self.page.click(f"#control-tabs [role=tab]:has-text('{name}')")
        self.page.wait_for_selector(":is(.side, #make):visible [data-alive]")
        return self

    def code(self, kind: str) -> str:
        """What stands under Save as Python, Command line, JSONL or Recipe; then back to the tab."""
        before = self.page.inner_text("#control-tabs [aria-selected=true]")
        self.tab("Save").page.click(f"#code-tabs [role=tab]:has-text('{kind}')")
        text = self.page.inner_text("#code")
        self.tab(before)
        return text

    def chip(self, word: str) -> Locator:
        """A word's chip."""
        return self.page.locator(".chip", has=self.page.get_by_text(word, exact=True)).first

    def sees_weight(self, word: str, weight: str) -> None:
        """Wait until a word's chip shows that weight."""
        expect(self.chip(word).locator(".k span")).to_have_text(weight)

    def sees_over(self, over: str) -> None:
        """Wait until attention is drawn so: none, heat, pins, spotlight or contours."""
        self.see("#stage").to_have_attribute("data-over", over)

    def overlay(self, *others: list[list[int]]) -> list[list[int]]:
        """Red, green, blue, opacity at 24 × 24 places, as soon as they are none of `others`."""
        unlike = f"""others => {{
          const seen = ({OVERLAY})();
          return !others.some((other) => JSON.stringify(other) === JSON.stringify(seen)) && seen;
        }}"""
        seen: list[list[int]] = self.page.wait_for_function(unlike, arg=others).json_value()
        return seen

    def is_told(self, sentence: str) -> None:
        """Wait until the page says so in a message that comes up."""
        message = expect(self.page.locator(".toast-body").last)
        message.to_contain_text(sentence)
        message.not_to_contain_text("Error")

    def strokes(self, *points: tuple[float, float]) -> None:
        """Drag over the stage along points, each a share of its width and of its height."""
        self.page.locator("#stage").scroll_into_view_if_needed()
        box = self.page.locator("#stage").bounding_box() or pytest.fail("There is no stage.")
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place, steps=4)
        mouse.up()

    def follow(self, selector: str) -> Callable[[], list[str]]:
        """Write down every text that an element shows from now on; gives what it has been."""
        self.page.evaluate(
            """selector => {
              const seen = (window.seen ??= {});
              const element = document.querySelector(selector);
              seen[selector] = [];
              new MutationObserver(() => seen[selector].push(element.textContent))
                .observe(element, {childList: true, subtree: true, characterData: true});
            }""",
            selector,
        )
        return lambda: list(self.page.evaluate("selector => window.seen[selector]", selector))


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
