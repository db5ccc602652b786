"""How quick the page is: ready, pointing at a word, a weight to its picture, memory over many.

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
from playwright.sync_api import Page, sync_playwright

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
    "document.querySelectorAll('[data-alive]').length >= 7"
    " && document.querySelector('#prompt-hint').textContent.length > 5"
)
DRAWN = (
    "([seed, title]) => !document.body.classList.contains('busy')"
    " && document.querySelector('#strip button')?.textContent.endsWith(`seed ${seed}`)"
    " && document.querySelector('#strip b').textContent.includes(title)"
)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default="emoji-sd")
    options.add_argument("--steps", type=int, default=25)
    options.add_argument("--pictures", type=int, default=50)
    options.add_argument("--port", type=int, default=7899)
    given = options.parse_args()
    address = f"http://127.0.0.1:{given.port}/"
    program = str(Path(sys.executable).with_name("crossattn"))
    command = [program, "ui", "--port", str(given.port), "--model", given.model]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    print(describe("gradio", "playwright", "torch"))
    try:
        wait_for(address)
        with sync_playwright() as playwright:
            chromium = shutil.which("chromium") or playwright.chromium.executable_path
            switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=chromium, args=switches)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            measure(page, address, server.pid, given.steps, given.pictures)
            browser.close()
    finally:
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


def measure(page: Page, address: str, server: int, steps: int, pictures: int) -> None:
    """Act as a person does, and print how long it takes."""
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_function(READY)
    print(f"page ready: {time.perf_counter() - started:.2f} s (goal < 4)")
    page.fill("#steps input[type=number]", str(steps))
    page.press("#steps input[type=number]", "Tab")
    page.click("#go")
    page.wait_for_selector(".chip", timeout=600_000)
    times = page.evaluate(HOVER)
    print(
        f"pointing at a word: {statistics.median(times):.1f} ms, at most {max(times):.1f}"
        " (goal < 50)"
    )
    waits = []
    for weight in ("1.4", "0.6", "1.8"):
        started = time.perf_counter()
        page.locator("#weight-rows input").nth(2).fill(weight)
        page.click("#weights-draw")
        page.wait_for_function(DRAWN, arg=["7", weight], timeout=600_000)
        waits.append(time.perf_counter() - started)
    print(
        f"a weight to its new picture, {steps} steps: {statistics.median(waits):.2f} s (goal < 3)"
    )
    sizes = []
    for number in range(pictures):
        page.fill("#seed input", str(number))
        page.click("#go")
        page.wait_for_function(DRAWN, arg=[str(number), ""], timeout=600_000)
        sizes.append(resident(server))
    fifth = max(1, pictures // 5)
    means = (statistics.mean(sizes[at : at + fifth]) for at in range(0, pictures, fifth))
    print(
        f"memory over {pictures} pictures, MiB, by fifths: "
        f"{', '.join(f'{mean:.0f}' for mean in means)}; at most {max(sizes):.0f} (goal: flat)"
    )


def resident(process: int) -> float:
    """The memory of a process, MiB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
