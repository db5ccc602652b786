"""What people came for: see where a word went, turn a word up, swap a word and keep the rest."""

import re
from typing import Any

import pytest

SCREENS = [(1280, 800), (1366, 768), (390, 844)]
IN_SIGHT = """selectors => selectors.every((selector) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight + 1;
})"""


@pytest.fixture(scope="module")
def worker(window: Any, address: str, drawn_page: Any) -> Any:
    """Somebody with a picture of their own, which the jobs are done on, one after the other."""
    return type(drawn_page)(window.new_page()).open(address).write().generate()


@pytest.fixture(params=SCREENS, ids=lambda size: f"{size[0]}x{size[1]}")
def at(worker: Any, request: Any) -> Any:
    """The same person at each of the screens."""
    width, height = request.param
    worker.page.set_viewport_size({"width": width, "height": height})
    yield worker
    assert not worker.faults


def pixels(person: Any) -> str:
    person.page.wait_for_selector("#picture[data-shown]")
    return str(person.page.locator("#picture").evaluate("c => c.toDataURL()"))


def test_picture_words_and_what_acts_on_them_are_in_sight_together(at: Any) -> None:
    at.page.evaluate("scrollTo(0, 0)")
    at.page.wait_for_function(IN_SIGHT, arg=["#stage", "#chips", "#caption", "#word-bar"])
    at.page.wait_for_function(
        "document.documentElement.scrollWidth <= innerWidth"
        " && (innerWidth < 1200 || document.documentElement.scrollHeight <= innerHeight)"
    )


def test_one_action_shows_where_a_word_went(at: Any) -> None:
    at.page.mouse.move(2, 2)
    at.chip("balloon").hover()  # 1
    at.sees_over("heat")
    at.see("#caption").to_contain_text("balloon covers")
    at.page.mouse.move(2, 2)


def test_two_actions_turn_a_word_up(at: Any) -> None:
    before = pixels(at)
    old = at.page.get_attribute("#picture", "aria-label")
    at.chip("car").locator(".w").focus()
    at.page.keyboard.press("ArrowUp")  # 1
    at.page.keyboard.press("Control+Enter")  # 2
    at.see("#picture").not_to_have_attribute("aria-label", old)
    at.wait()
    assert pixels(at) != before


def test_three_actions_swap_a_word_and_show_the_whole_edit(at: Any) -> None:
    at.chip("balloon").dblclick()  # 1
    at.page.keyboard.type("boat")  # 2
    at.page.keyboard.press("Enter")  # 3
    at.see("#picture").to_have_attribute("aria-label", re.compile("blue boat on grass$"))
    at.wait()
    at.see("#before").to_be_hidden()  # after one sweep the new picture is seen whole
    at.see("#cut").to_be_hidden()
    at.see("#compare").to_have_attribute("aria-pressed", "false")
    at.sees_over("none")
    at.page.mouse.move(2, 2)
    at.chip("boat").hover()
    at.sees_over("heat")
    at.page.mouse.move(2, 2)
    at.page.locator("#strip .card >> nth=1").locator("button").first.click()
    at.see("#picture").to_have_attribute("aria-label", re.compile("balloon on grass$"))
    at.wait()


def test_keys_alone_do_all_three(worker: Any) -> None:
    worker.page.set_viewport_size({"width": 1280, "height": 800})
    keys = worker.page.keyboard
    worker.chip("car").locator(".w").focus()
    keys.press("ArrowRight")
    keys.press("ArrowLeft")
    worker.sees_over("heat")
    old = worker.page.get_attribute("#picture", "aria-label")
    keys.press("ArrowDown")
    keys.press("Control+Enter")
    worker.see("#picture").not_to_have_attribute("aria-label", old)
    worker.wait()
    worker.chip("grass").locator(".w").focus()
    keys.press("F2")
    keys.type("sand")
    keys.press("Enter")
    worker.see("#picture").to_have_attribute("aria-label", re.compile("on sand$"))
    worker.wait()
    worker.page.wait_for_function("document.activeElement !== document.body")
