from typing import Any

import pytest


def picture(person: Any, canvas: str = "#picture") -> str:
    shown = person.page.wait_for_selector(f"{canvas}[data-shown]")
    return str(shown.evaluate("c => c.toDataURL()"))


def prompt_becomes(person: Any, text: str) -> None:
    person.see("#prompt textarea").to_have_value(text)


def test_weights_and_the_prompt_stay_in_step_both_ways(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.chip("car").hover()
    for _ in range(3):
        person.chip("car").locator("[aria-label='car, more']").click()
    prompt_becomes(person, "a red (car:1.3) on grass")
    person.sees_weight("car", "1.3")
    person.page.fill("input[aria-label='Weight of red']", "0.5")
    prompt_becomes(person, "a (red:0.5) (car:1.3) on grass")
    person.sees_weight("red", "0.5")
    person.page.fill("#prompt textarea", "a red (car:1.7) on (grass:0.4)")
    person.see("input[aria-label='Weight of grass']").to_have_value("0.4")
    person.sees_weight("car", "1.7")
    person.sees_weight("red", "1.0")
    person.page.click("#weights-reset")
    prompt_becomes(person, "a red car on grass")


def test_a_weight_is_dragged_on_the_chip_itself(person: Any) -> None:
    person.write("a red car").generate()
    number = person.chip("car").locator(".k span")
    number.hover()
    box = number.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    person.page.mouse.move(x, y)
    person.page.mouse.down()
    person.page.mouse.move(x + 36, y, steps=6)
    person.page.mouse.up()
    person.sees_weight("car", "1.3")
    person.see(".chip.pin").to_have_count(0)
    prompt_becomes(person, "a red (car:1.3)")


def test_what_a_weight_did_is_told_and_shown_before_and_after(person: Any) -> None:
    person.write("a red car on grass").generate()
    plain = picture(person)
    person.see("#compare").to_be_disabled()
    person.page.fill("input[aria-label='Weight of car']", "2")
    prompt_becomes(person, "a red (car:2) on grass")
    person.page.click("#weights-draw")
    person.wait()
    weighed = picture(person)
    assert weighed != plain
    person.see(".report-row").to_contain_text("car")
    person.see(".report-row").to_contain_text("→")
    person.see("#report").to_contain_text("of the picture changed")
    person.page.keyboard.press("b")
    person.see("#tag-left").to_have_text("Before")
    assert picture(person, "#before") == plain
    person.strokes((0.5, 0.5), (0.25, 0.5))
    assert float(person.page.input_value("#cut-range")) == pytest.approx(25, abs=2)
    person.page.click("#compare")
    person.see("#tag-left").to_be_hidden()


def test_a_weight_of_an_edited_picture_draws_the_edit_again(person: Any) -> None:
    person.write("a red car on grass", steps=3)
    person.tab("Edit")
    person.page.fill("#target textarea", "a red dog on grass")
    person.see("#align .swapped").to_contain_text("dog")
    person.page.click("#edit-run")
    person.wait()
    person.tab("Weights")
    person.page.fill("input[aria-label='Weight of dog']", "1.5")
    person.see("#target textarea").to_have_value("a red (dog:1.5) on grass")
    person.page.click("#weights-draw")
    person.see("#picture").to_have_attribute("aria-label", "a red (dog:1.5) on grass")
    person.see(".report-row").to_contain_text("dog")
    person.see("#edit-facts").to_contain_text("Layout kept")


def test_a_weight_counts_even_if_the_picture_is_asked_for_at_once(person: Any) -> None:
    person.write("a red car on grass").generate()
    person.page.evaluate(
        """() => {
          const range = document.querySelector("input[aria-label='Weight of car']");
          range.value = 2;
          range.dispatchEvent(new Event("input", { bubbles: true }));
          document.querySelector("#weights-draw").click();
        }"""
    )
    person.see(".report-row span >> nth=0").to_have_text("car")
    person.see("#strip").to_contain_text("car 2")


def test_what_a_weight_means_can_be_chosen(person: Any) -> None:
    person.write("a red (car:2) on grass").generate()
    usual = picture(person)
    person.page.click("#dialect input")
    person.page.click("[role=option][aria-label='a1111']")
    person.see("#dialect-hint").to_contain_text("As Stable Diffusion WebUI")
    person.page.click("#weights-draw")
    person.wait()
    assert picture(person) != usual
    person.see("#code").to_contain_text("a1111")


def test_a_word_is_seen_from_weak_to_strong_and_sketched_while_it_is_dragged(person: Any) -> None:
    person.write("a red car on grass", steps=1).generate()
    person.chip("car").hover()
    person.see("#sweep-word").to_have_text("car from 0 to 2.5")
    person.page.click("#sweep-word")
    person.see("#sweep-row span").to_have_text(["0", "0.5", "1", "1.5", "2.5"])
    person.rest()
    person.see("#strip .card").to_have_count(5)  # at 1 it is the picture that is there
    person.page.fill("#sweep-at", "4")
    person.see("#tag-glance").to_have_text("2.5")
    person.page.locator("#sweep-row button").last.click()
    person.see("#picture").to_have_attribute("aria-label", "a red (car:2.5) on grass")
    person.wait()
    person.page.fill("input[aria-label='Weight of car']", "1.5")
    person.see("#tag-glance").to_contain_text("a sketch in 6 steps")
