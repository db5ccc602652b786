from typing import Any

import numpy as np


def picture(person: Any) -> bytes:
    person.page.wait_for_selector("#picture[data-shown]")
    return bytes(person.page.locator("#picture").evaluate("c => c.toDataURL()"), "ascii")


def prompt_becomes(person: Any, text: str) -> None:
    person.page.wait_for_function(
        "text => document.querySelector('#prompt textarea').value === text", arg=text
    )


def test_weights_and_the_prompt_stay_in_step_both_ways(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.chip("car").hover()
    for _ in range(3):
        person.chip("car").locator("[aria-label='car, more']").click()
    prompt_becomes(person, "a red (car:1.3) on grass")
    assert person.weight("car") == "1.3"
    person.page.fill("input[aria-label='Weight of red']", "0.5")
    prompt_becomes(person, "a (red:0.5) (car:1.3) on grass")
    assert person.weight("red") == "0.5"
    person.page.fill("#prompt textarea", "a red (car:1.7) on (grass:0.4)")
    person.page.wait_for_function(
        "document.querySelector(\"input[aria-label='Weight of grass']\").value === '0.4'"
    )
    assert person.weight("car") == "1.7"
    assert person.weight("red") == "1.0"
    person.page.click("#weights-reset")
    prompt_becomes(person, "a red car on grass")


def test_a_weight_is_dragged_on_the_chip_itself(person: Any) -> None:
    person.write("a red car").generate()
    number = person.chip("car").locator(".k span")
    box = number.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    person.page.mouse.move(x, y)
    person.page.mouse.down()
    person.page.mouse.move(x + 36, y, steps=6)
    person.page.mouse.up()
    assert person.weight("car") == "1.3"
    assert person.page.locator(".chip.pin").count() == 0
    prompt_becomes(person, "a red (car:1.3)")


def test_what_a_weight_did_is_told_and_shown_before_and_after(person: Any) -> None:
    person.write("a red car on grass").generate()
    plain = picture(person)
    assert person.page.is_disabled("#compare")
    person.page.fill("input[aria-label='Weight of car']", "2")
    prompt_becomes(person, "a red (car:2) on grass")
    person.page.click("#weights-draw")
    person.wait()
    person.page.wait_for_selector(".report-row")
    weighed = picture(person)
    assert weighed != plain
    told = person.page.inner_text(".report-row")
    before, after = (float(part.strip(" %")) for part in told.split("\n")[1].split("→"))
    assert after > before
    assert told.split("\n")[-1].startswith("+")
    person.page.keyboard.press("b")
    assert person.page.inner_text("#tag-left") == "Before"
    assert person.page.locator("#before").evaluate("c => c.toDataURL()") == plain.decode()
    box = person.page.locator("#stage").bounding_box()
    person.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
    person.page.mouse.up()
    cut = float(person.page.input_value("#cut-range"))
    assert np.isclose(cut, 25, atol=2)
    person.page.click("#compare")
    assert not person.page.is_visible("#tag-left")


def test_what_a_weight_means_can_be_chosen(person: Any) -> None:
    person.write("a red (car:2) on grass").generate()
    usual = picture(person)
    person.page.click("#dialect input")
    person.page.click("[role=option][aria-label='a1111']")
    person.page.wait_for_function(
        "document.querySelector('#dialect-hint').textContent.includes('Embedding')"
    )
    person.page.click("#weights-draw")
    person.wait()
    assert picture(person) != usual
    assert "a1111" in person.page.inner_text("#code")
