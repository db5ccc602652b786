"""Keys alone reach everything, and the focus is never lost."""

import re
from pathlib import Path
from typing import Any

from PIL import Image

KEPT = "!['BODY', null].includes(document.activeElement?.tagName)"
IN_STRIP = "document.querySelector('#strip').contains(document.activeElement)"
PRESSED = [
    # tab of the page, what is pressed by Enter, how often
    ("Weights", "#all-tokens", 2),
    ("Weights", "#word-join", 2),
    ("Weights", "#word-off", 1),
    ("Weights", "#weights-reset", 1),  # disables itself
    ("Time", "#film button >> nth=1", 1),
    ("Time", "#caption button:text-is('All steps')", 1),  # goes with what it does
    ("Time", "#heads button >> nth=1", 2),
    ("Weights", "#chips .w >> nth=2", 1),
    ("Weights", "#scale", 2),
    ("Weights", "#caption button:text-is('Clear')", 1),
]


def test_the_focus_stays_where_something_was_pressed(drawn: Any) -> None:
    page = drawn.page
    for tab, selector, times in PRESSED:
        drawn.tab(tab)
        page.locator(selector).focus()
        for _ in range(times):
            page.keyboard.press("Enter")
            page.wait_for_function(KEPT)
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")


def test_the_focus_goes_to_the_neighbour_of_what_is_gone(person: Any) -> None:
    page, keys = person.page, person.page.keyboard
    page.fill("#prompt textarea", "a red baloon")
    page.focus("#prompt-hint button")
    keys.press("Enter")
    person.see("#prompt-hint").to_contain_text("3 words")
    page.wait_for_function(KEPT)
    person.write("a red car", steps=1).generate()
    page.click("#seed-dice")
    person.generate()
    person.tab("Regions").strokes((0.2, 0.2), (0.6, 0.6))
    for selector, key, next_one in (
        ("#region-undo", "Enter", "#region-clear"),
        ("#region-clear", "Enter", "#brush-size"),
        ("#compare", "Enter", "#compare"),
        ("#cut-range", "Escape", "#chips .w[tabindex='0']"),
    ):
        page.focus(selector)
        keys.press(key)
        person.see(next_one).to_be_focused()
    page.focus("#strip [aria-label^=Delete] >> nth=0")
    keys.press("Enter")
    person.see("#strip .card").to_have_count(1)
    page.wait_for_function(IN_STRIP)


def test_the_palette_is_opened_gone_through_and_closed_by_keys(person: Any) -> None:
    page, keys = person.page, person.page.keyboard
    page.fill("#prompt textarea", "a red")
    page.focus("#palette summary")
    keys.press("Enter")
    keys.press("Tab")
    person.see("#palette-words button >> nth=0").to_be_focused()
    keys.press("ArrowRight")
    keys.press("Enter")
    person.see("#palette-words button >> nth=1").to_be_focused()
    word = page.inner_text("#palette-words button >> nth=1").split()[-1]
    person.see("#prompt textarea").to_have_value(f"a red {word}")
    keys.press("Escape")
    person.see("#palette summary").to_be_focused()
    person.see("#palette-words").to_be_hidden()


def test_a_picture_of_ones_own_is_brought_and_edited_by_keys(person: Any, tmp_path: Path) -> None:
    file = tmp_path / "own.png"
    Image.radial_gradient("L").resize((64, 64)).convert("RGB").save(file)
    page, keys = person.page, person.page.keyboard
    person.write("a white ball", steps=1)
    page.focus("#own-open")
    page.evaluate(
        "document.querySelector('#own-file').addEventListener('click',"
        " (event) => { event.preventDefault(); window.asked = true; })"
    )
    keys.press("Enter")
    page.wait_for_function("window.asked")
    page.set_input_files("#own-file", file)
    person.see(".chip").to_have_count(3)
    person.wait()
    page.wait_for_function(KEPT)
    person.chip("ball").locator(".w").focus()
    keys.press("F2")
    keys.type("car")
    keys.press("Enter")
    person.see("#strip .card").to_have_count(2)
    person.wait()
    page.wait_for_function(KEPT)
    page.locator("#strip .card >> nth=1").locator("button").first.focus()
    keys.press("Enter")
    person.see("#strip .card >> nth=1 >> button >> nth=0").to_have_attribute("aria-current", "true")
    page.wait_for_function(IN_STRIP)


def test_dialogs_and_folds_are_closed_by_escape_and_give_the_focus_back(drawn: Any) -> None:
    page, keys = drawn.page, drawn.page.keyboard
    drawn.tab("Edit")
    for opener, opened in (
        ("#keys-open", "#keys"),
        ("#edit-more summary", "#windows"),
        ("#why", "#why-text"),
        ("#model-own", "#model-form"),
    ):
        page.focus(opener)
        keys.press("Enter")
        drawn.see(opened).to_be_visible()
        keys.press("Escape")
        drawn.see(opened).to_be_hidden()
        drawn.see(opener).to_be_focused()
    drawn.tab("Weights")


def test_sliders_of_words_are_drawn_along_by_the_mouse(drawn: Any) -> None:
    page = drawn.page
    for slider in ("#word-weight", ".weight-row:visible input >> nth=1"):
        box = page.locator(slider).bounding_box()
        x, y = box["x"] + 8 + (box["width"] - 16) / 3, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        for by in (10, 20, 30):
            page.mouse.move(x + by, y)
        page.mouse.up()
        weight = page.input_value(slider)
        assert float(weight) > 1.5
        drawn.see("#prompt textarea").to_have_value(re.compile(rf":{weight}\)"))
        page.click("#weights-reset")
        drawn.see("#prompt textarea").to_have_value(drawn.prompt)
