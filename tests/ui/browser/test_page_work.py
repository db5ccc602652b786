"""What people did stays: pins, targets, histories and fields, through redraws and refreshes."""

import re
from typing import Any

import pytest

PAINTED = "document.querySelector('#overlay').getContext('2d').getImageData(0, 0, 384, 384).data"


def painted(person: Any) -> None:
    """Wait until attention is painted over the picture in colour."""
    person.sees_over("pins")
    person.page.wait_for_function(f"{PAINTED}.some(value => value > 0)")


def test_pins_stay_in_colour_through_a_redraw_a_restore_and_a_refresh(person: Any) -> None:
    person.write("a red car on grass", steps=2).generate()
    person.chip("car").click()
    person.page.mouse.move(2, 2)
    painted(person)
    person.page.fill("#seed input", "8")
    person.see("#go-hint").to_have_text("Not drawn yet: seed.")
    person.generate()
    painted(person)
    person.see(".legend").to_contain_text("car")
    person.page.locator("#strip .card").last.locator("button").first.click()
    person.see("#seed input").to_have_value("7")
    person.wait()
    painted(person)
    person.page.reload()
    person.arrive()
    person.see(".legend").to_contain_text("car")
    painted(person)


def test_the_target_is_the_prompt_until_it_is_touched_and_again_after_another_prompt(
    person: Any,
) -> None:
    target = person.see("#target textarea")
    person.write("a red car on grass", steps=2)
    target.to_have_value("a red car on grass")
    person.tab("Edit").page.locator("#target textarea").press_sequentially(" at night")
    target.to_have_value("a red car on grass at night")
    person.see("#align .added").to_have_count(2)
    person.page.fill("#prompt textarea", "a red (car:1.4) on grass")
    person.see("#prompt-hint").to_contain_text("5 words")
    target.to_have_value("a red car on grass at night")
    person.page.fill("#prompt textarea", "a big boat on the sea")
    target.to_have_value("a big boat on the sea")
    person.see("#edit-run").to_be_disabled()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("#negative textarea", "a dog", "negative prompt"),
        ("#steps input[type=number]", "3", "steps"),
        ("#guidance input[type=number]", "2", "guidance"),
        ("#size input", "64 × 64", "size"),
        ("#prompt textarea", "a (red:1.3) car", "1 weight"),
        ("#dialect input", "a1111", "what a weight means"),
    ],
)
def test_what_is_set_and_not_drawn_yet_is_said(
    small: Any, field: str, value: str, told: str
) -> None:
    hint = small.see("#go-hint")
    hint.to_have_text("Picture and settings agree.")
    before = small.page.input_value(field)
    for text, sentence in ((value, f"Not drawn yet: {told}."), (before, None)):
        if field == "#dialect input":
            small.page.click(field)
            small.page.click(f"[role=option][aria-label='{text}']")
        else:
            small.page.fill(field, text)
            small.page.press(field, "Tab")
        hint.to_have_text(sentence or "Picture and settings agree.")


@pytest.fixture(scope="module")
def small(window: Any, address: str, drawn_page: Any) -> Any:
    """Somebody with a small picture whose settings are changed and put back."""
    one = type(drawn_page)(window.new_page())
    return one.open(address).write("a red car", steps=2).generate()


def test_a_refresh_and_another_server_lose_nothing(person: Any) -> None:
    person.write("a red car on grass", steps=2).generate()
    person.page.fill("#seed input", "8")
    person.generate()
    person.page.fill("#prompt textarea", "a red car on grass at")
    person.page.fill("#negative textarea", "a dog")
    person.page.fill("#steps input[type=number]", "3")
    person.page.press("#steps input[type=number]", "Tab")
    person.see("#go-hint").to_contain_text("New words")
    person.page.reload()
    person.arrive().wait()
    person.see("#prompt textarea").to_have_value("a red car on grass at")
    person.see("#negative textarea").to_have_value("a dog")
    person.see("#seed input").to_have_value("8")
    person.see("#steps input[type=number]").to_have_value("3")
    person.see("#strip .card").to_have_count(2)
    person.see("#picture").to_have_attribute("aria-label", "a red car on grass")
    # A server that has forgotten it all draws from the recipes that the browser has.
    person.page.evaluate(
        """() => {
          for (const store of [localStorage, sessionStorage]) {
            for (const key of Object.keys(store)) {
              store[key] = store[key].replace(/"id":"[^"]+"/g, () => `"id":"gone${Math.random()}"`);
            }
          }
        }"""
    )
    person.page.reload()
    person.arrive().wait()
    person.see("#picture").to_have_attribute("aria-label", "a red car on grass")
    person.see("#strip .card").to_have_count(2)
    person.page.locator("#strip .card").last.locator("button").first.click()
    person.see("#seed input").to_have_value("7")
    person.wait()
    person.see(".chip").to_have_count(5)


def test_a_refresh_in_mid_work_keeps_the_prompt_and_frees_the_model(
    waiting: Any, steps_made: Any
) -> None:
    waiting.write("a red car", steps=100)
    before = steps_made()
    waiting.page.click("#go")
    waiting.until_step(2)
    waiting.page.reload()
    waiting.arrive()
    waiting.see("#prompt textarea").to_have_value("a red car")
    waiting.write("a red car", steps=2).generate()
    waiting.see(".chip").to_have_count(3)
    assert steps_made() < before + 50, "the run before would have had to be waited for"


def test_pictures_are_named_compared_deleted_and_linked(person: Any) -> None:
    person.write("a red car", steps=2).generate()
    person.page.fill("#seed input", "8")
    person.generate()
    person.tab("Save").page.fill("#picture-name", "the good one")
    person.page.press("#picture-name", "Tab")
    person.see("#strip b >> nth=0").to_have_text("the good one")
    person.page.locator("#strip .card").last.hover()
    person.page.locator("[aria-label='Compare with red car']").click()
    person.see("#caption").to_contain_text("Left of the line: red car, seed 7")
    person.page.click("#compare")
    person.page.click("#files button:has-text('Link')")
    person.see("#notice").to_have_text("The link is copied.")
    link = person.page.evaluate("navigator.clipboard.readText()")
    person.page.locator("#strip .card").last.hover()
    person.page.locator("[aria-label='Delete red car']").click()
    person.see("#strip .card").to_have_count(1)
    other = type(person)(person.page.context.new_page())
    other.page.goto(link)
    other.arrive().wait()
    other.see("#seed input").to_have_value("8")
    other.see("#picture").to_have_attribute("aria-label", re.compile("a red car"))
    other.page.close()
