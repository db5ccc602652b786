import time
from typing import Any

import pytest


@pytest.fixture
def waiting(slow_address: str, person: Any) -> Any:
    """Somebody at a page whose steps take a while."""
    return person.open(slow_address)


def test_a_picture_comes_with_its_words_and_a_preview_and_progress_on_the_way(waiting: Any) -> None:
    waiting.write(steps=8)
    waiting.page.click("#go")
    waiting.until_step(2)
    assert waiting.page.get_attribute("#preview", "src").startswith("data:image/png")
    assert waiting.page.is_visible("#preview")
    assert waiting.page.is_visible("#stop")
    assert not waiting.page.is_visible("#go")
    waiting.wait()
    assert waiting.page.is_visible("#go")
    assert not waiting.page.is_visible("#preview")
    words = waiting.page.eval_on_selector_all(
        ".chip .w", "all => all.map(one => one.firstChild.data)"
    )
    assert words == waiting.prompt.split()
    waiting.page.wait_for_selector("#picture[data-shown]")
    colours = waiting.page.evaluate(
        "(() => { const c = document.querySelector('#picture');"
        " return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size; })()"
    )
    assert colours > 20


@pytest.mark.parametrize("way", ["button", "escape"])
def test_cancel_stops_within_a_step_and_the_next_run_works(waiting: Any, way: str) -> None:
    waiting.write(steps=40)
    waiting.page.click("#go")
    waiting.until_step(2)
    if way == "button":
        waiting.page.click("#stop")
    else:
        waiting.page.keyboard.press("Escape")
    waiting.page.wait_for_function("!document.body.classList.contains('busy')")
    time.sleep(0.6)
    assert not waiting.page.locator(".chip").count()
    assert waiting.page.inner_text("#status").endswith("ready")
    waiting.write(steps=2).generate()
    assert waiting.page.locator(".chip").count() == len(waiting.prompt.split())


def test_the_dice_give_another_seed_and_an_open_lock_rolls_them_each_time(person: Any) -> None:
    person.page.click("#seed-dice")
    assert person.page.input_value("#seed input") != "7"
    person.write(steps=1).generate()
    kept = person.page.input_value("#seed input")
    person.generate()
    assert person.page.input_value("#seed input") == kept
    person.page.click("#seed-lock")
    person.generate()
    assert person.page.input_value("#seed input") != kept


def test_a_word_that_the_model_never_saw_is_marked_while_typing(person: Any) -> None:
    person.page.fill("#prompt textarea", "a red baloon")
    person.page.wait_for_function(
        "document.querySelector('#prompt-hint').textContent.includes('Did you mean balloon')"
    )
    assert "baloon is new to emoji-sd" in person.page.inner_text("#prompt-hint")
    person.page.fill("#prompt textarea", "a red balloon")
    person.page.wait_for_function(
        "document.querySelector('#prompt-hint').textContent.startsWith('3 words, ')"
    )


def test_the_example_prompts_hold_only_words_that_the_model_knows(person: Any) -> None:
    for button in person.page.locator(".try button").all():
        button.click()
        person.page.wait_for_timeout(600)
        assert "new to emoji-sd" not in person.page.inner_text("#prompt-hint")


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("#prompt textarea", "a (car:1e999)", "A weight lies between -10 and 10"),
        ("#seed input", "seven", "The seed must be a whole number, but is 'seven'."),
        ("#seed input", "-1", "seed must be a whole number from 0"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_sentence(
    person: Any, field: str, text: str, told: str
) -> None:
    person.page.fill(field, text)
    person.page.wait_for_timeout(400)
    person.page.click("#go")
    assert told in person.told()
    assert "Error" not in person.page.inner_text(".toast-body")
    person.page.wait_for_function("!document.body.classList.contains('busy')")


def test_a_blank_prompt_is_told_in_a_sentence(person: Any) -> None:
    person.page.fill("#prompt textarea", "   ")
    person.page.wait_for_function(
        "document.querySelector('#prompt-hint').textContent.startsWith('Write at least one word')"
    )
    person.page.click("#go")
    assert "prompt must be a text of 1 to 10000 characters, not blank" in person.told()


def test_control_and_enter_generate_from_the_prompt(person: Any) -> None:
    person.write("a red car", steps=1)
    person.page.focus("#prompt textarea")
    person.page.keyboard.press("Control+Enter")
    person.page.wait_for_selector(".chip")
    assert person.page.locator(".chip").count() == 3


def test_the_page_is_calm_on_a_telephone_too(person: Any) -> None:
    person.write("a red car", steps=1).generate()
    person.page.set_viewport_size({"width": 390, "height": 844})
    width = person.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    assert person.page.locator("#stage").bounding_box()["width"] >= 340


def test_light_and_dark_are_a_click_apart_and_remembered(person: Any) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    light = person.page.evaluate(colour)
    person.page.click("#theme")
    dark = person.page.evaluate(colour)
    assert light == "rgb(245, 245, 243)"
    assert dark == "rgb(18, 18, 17)"
    person.page.reload()
    person.page.wait_for_selector("#theme")
    person.page.wait_for_function(f"{colour} === 'rgb(18, 18, 17)'")
    person.page.evaluate("localStorage.clear()")
