"""How quick and calm the page is: ready, layout shift, pointing at a word, a weight, memory.

`python samples/bench/page.py` serves emoji-sd and acts as a person does in a headless Chromium
(`pip install 'crossattn[ui]' playwright`, and a Chromium on the path).
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from machine import describe
from playwright.sync_api import Browser, Page, sync_playwright

HOVER = """() => {
  const times = [];
  for (let round = 0; round < 5; round++) for (const chip of document.querySelectorAll(".chip")) {
    const started = performance.now();
    chip.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
    document.querySelector("#overlay").getContext("2d").getImageData(0, 0, 1, 1);
    times.push(performance.now() - started);
  }
  return times;
}"""
READY = (
    "document.querySelectorAll('[data-alive]').length >= 15"
    " && document.querySelector('#prompt-hint').textContent.length > 5"
)
DRAWN = (
    "([seed, title]) => !document.body.classList.contains('busy')"
    " && document.querySelector('#strip .card')?.textContent.endsWith(`seed ${seed}`)"
    " && document.querySelector('#strip b').textContent.includes(title)"
)
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({type: "layout-shift", buffered: true});
"""
LEVEL = 10  # pictures after which memory has its level
SIZES = ("128 × 128", "160 × 96", "96 × 160", "128 × 128", "192 × 192")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="emoji-sd")
    options.add_argument("--steps", type=int, default=25)
    options.add_argument("--pictures", type=int, default=100)
    options.add_argument("--tabs", type=int, default=20)
    options.add_argument("--port", type=int, default=7899)
    given = options.parse_args()
    address = f"http://127.0.0.1:{given.port}/"
    program = str(Path(sys.executable).with_name("crossattn"))
    command = [program, "ui", "--port", str(given.port), "--model", given.model]
    print(describe("gradio", "playwright", "torch"), end="\n\n")
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=switches)
        started = time.perf_counter()
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            wait_for(address)
            page = opened(browser, address)
            print(f"- command to page ready: {time.perf_counter() - started:.2f} s (goal < 6)")
            page.context.close()
            measure(browser, address, server.pid, given)
        finally:
            browser.close()
            server.terminate()
            server.wait()


def wait_for(address: str) -> None:
    """Wait until the page is served."""
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
        else:
            return


def opened(browser: Browser, address: str) -> Page:
    """Open the page as somebody new and wait until it can be used."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(SHIFTS)
    page.goto(address)
    page.wait_for_function(READY)
    return page


def measure(browser: Browser, address: str, server: int, given: argparse.Namespace) -> None:
    """Act as a person does, and print how long it takes."""
    page = opened(browser, address)
    page.fill("#steps input[type=number]", str(given.steps))
    page.press("#steps input[type=number]", "Tab")
    page.click("#go")
    page.wait_for_function(DRAWN, arg=["7", ""], timeout=600_000)
    print(f"- layout shift, load and first picture: {page.evaluate('shifted'):.3f} (goal < 0.05)")
    times = page.evaluate(HOVER)
    print(
        f"- pointing at a word: median {statistics.median(times):.1f} ms, 95th percentile "
        f"{statistics.quantiles(times, n=20)[-1]:.1f} (goal < 50)"
    )
    weight(page, given.steps)
    waits = []
    for _ in range(3):
        started = time.perf_counter()
        other = opened(browser, address)
        waits.append(time.perf_counter() - started)
        other.context.close()
    print(f"- page ready, warm server: {statistics.median(waits):.2f} s (goal < 1.5)")
    memory(browser, page, address, server, given.pictures, given.tabs)


def weight(page: Page, steps: int) -> None:
    """A weight to its picture, and to its sketch."""
    sketches, pictures = [], []
    for number in ("1.4", "0.6", "1.8"):
        started = time.perf_counter()
        page.locator(".weight-row:visible input").nth(1).fill(number)
        page.wait_for_selector("#tag-glance:visible", timeout=600_000)
        sketches.append(time.perf_counter() - started)
        started = time.perf_counter()
        page.click("#weights-draw")
        page.wait_for_function(DRAWN, arg=["7", number], timeout=600_000)
        pictures.append(time.perf_counter() - started)
    print(f"- a weight to its sketch: {statistics.median(sketches):.2f} s (goal < 0.8)")
    print(
        f"- a weight to its new picture, {steps} steps: {statistics.median(pictures):.2f} s "
        "(goal < 2.5)"
    )


def memory(
    browser: Browser, page: Page, address: str, server: int, pictures: int, tabs: int
) -> None:
    """The server's memory over pictures of mixed sizes and many tabs."""
    sizes = []
    others = [page]
    for number in range(pictures):
        if number >= LEVEL and len(others) < tabs:
            others.append(opened(browser, address))
        one = others[number % len(others)]
        one.fill("#size input", SIZES[number % len(SIZES)])
        one.press("#size input", "Tab")
        one.fill("#seed input", str(number))
        one.click("#go")
        one.wait_for_function(DRAWN, arg=[str(number), ""], timeout=600_000)
        sizes.append(resident(server))
    level = sizes[min(LEVEL, len(sizes)) - 1]
    for one in others:
        one.context.close()
    time.sleep(20)
    print(
        f"- memory, MiB: {level:.0f} after {LEVEL} pictures, at most {max(sizes):.0f} over "
        f"{pictures} pictures of mixed sizes in {len(others)} tabs: {max(sizes) - level:+.0f} "
        f"(goal within 150); {resident(server):.0f} after the tabs are closed"
    )


def resident(process: int) -> float:
    """The memory of a process, MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
