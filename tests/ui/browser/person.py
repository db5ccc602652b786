"""Somebody at the page, as the tests need them: what they do and what they wait to see."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, LocatorAssertions, Page, expect

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
