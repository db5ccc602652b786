import re
from collections.abc import Callable
from typing import Any

import pytest


def test_a_picture_comes_with_its_words_and_a_preview_and_progress_on_the_way(waiting: Any) -> None:
    waiting.write(steps=12)
    waiting.page.click("#go")
    # All at one moment: the run goes on while a test asks one thing after the other.
    waiting.page.wait_for_function(
        """() => {
          const [preview, go] = ["#preview", "#go"].map((one) => document.querySelector(one));
          return /Step \\d+ of 12, .* s left/.test(document.querySelector("#caption").textContent)
            && preview.src.startsWith("data:image/png") && preview.checkVisibility()
            && go.textContent === "Cancel" && document.activeElement === go;
        }"""
    )
    waiting.wait()
    waiting.see("#go").to_have_text("Generate")
    waiting.see("#go").to_be_focused()
    waiting.see("#preview").to_be_hidden()
    waiting.see(".chip .w").to_have_text([re.compile(f"^{w}\\d?$") for w in waiting.prompt.split()])
    colours = waiting.page.evaluate(
        "(() => { const c = document.querySelector('#picture');"
        " return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size; })()"
    )
    assert colours > 20


@pytest.mark.parametrize("way", ["button", "escape"])
def test_cancel_stops_within_a_step_and_the_next_run_works(
    waiting: Any, steps_made: Callable[[], int], way: str
) -> None:
    waiting.write(steps=100)
    waiting.page.click("#go")
    waiting.until_step(2)
    if way == "button":
        waiting.page.click("#go")
    else:
        waiting.page.keyboard.press("Escape")
    waiting.rest()
    before = steps_made()
    waiting.see("#status").to_have_text(re.compile("ready$"))
    waiting.see(".chip").to_have_count(0)
    waiting.write(steps=2).generate()
    waiting.see(".chip").to_have_count(len(waiting.prompt.split()))
    assert steps_made() < before + 20, "the next run would have had to wait for 98 steps"


def test_a_double_click_on_generate_does_not_cancel(waiting: Any) -> None:
    waiting.write("a red car", steps=3).page.dblclick("#go")
    waiting.until_step(2)
    waiting.wait()
    waiting.see(".chip").to_have_count(3)
    waiting.see("#strip .card").to_have_count(1)


def test_the_dice_give_another_seed_and_an_open_lock_rolls_them_each_time(person: Any) -> None:
    seeds = person.page.locator("#strip .card")
    person.page.click("#seed-dice")
    person.see("#seed input").not_to_have_value("7")
    kept = person.page.input_value("#seed input")
    person.write(steps=1).generate()
    person.generate()
    person.see("#strip .card").to_have_count(1)  # the same picture is there once
    assert seeds.first.inner_text().endswith(f"seed {kept}")
    person.page.click("#seed-lock")
    person.generate()
    person.see("#seed input").not_to_have_value(kept)
    person.see("#strip .card").to_have_count(2)
    assert not seeds.first.inner_text().endswith(f"seed {kept}")


def test_a_word_that_the_model_never_saw_is_marked_while_typing(person: Any) -> None:
    person.page.fill("#prompt textarea", "a red baloon")
    person.see("#prompt-hint").to_have_text(
        re.compile("^baloon is new to emoji-sd.* Did you mean balloon")
    )
    person.page.fill("#prompt textarea", "a red balloon")
    person.see("#prompt-hint").to_have_text(re.compile("^3 words, "))


def test_the_example_prompts_hold_only_words_that_the_model_knows(person: Any) -> None:
    person.page.fill("#prompt textarea", "a dog")
    person.see("#prompt-hint").to_have_text(re.compile("^2 words, "))
    examples = person.page.get_by_role("group", name="Example prompts")
    for button in examples.get_by_role("button").all():
        button.click()
        words = len(person.page.input_value("#prompt textarea").split())
        person.see("#prompt-hint").to_have_text(re.compile(f"^{words} words, "))


def test_what_cannot_be_drawn_is_told_in_a_sentence_and_again_after_another(person: Any) -> None:
    for field, text, told in (
        ("#prompt textarea", "a (car:1e999)", "A weight lies between -10 and 10"),
        ("#prompt textarea", "   ", "The prompt is blank: write at least one word to draw."),
        ("#seed input", "seven", "The seed must be a whole number, but is 'seven'."),
        ("#seed input", "-1", "seed must be a whole number from 0"),
    ):
        before = person.page.input_value(field)
        person.page.fill(field, text)
        person.page.click("#go")
        person.is_told(told)
        person.rest()
        if field == "#seed input":
            person.see(field).to_have_attribute("aria-invalid", "true")
        person.see("#status").to_have_text(re.compile("ready$"))
        person.page.fill(field, before)


def test_a_blank_prompt_is_marked_while_typing(person: Any) -> None:
    person.page.fill("#prompt textarea", "   ")
    person.see("#prompt-hint").to_have_text("Write at least one word to draw.")


def test_control_and_enter_generate_from_the_prompt(person: Any) -> None:
    person.write("a red car", steps=1)
    person.page.focus("#prompt textarea")
    person.page.keyboard.press("Control+Enter")
    person.see(".chip").to_have_count(3)


def test_the_page_is_calm_on_a_telephone_too(person: Any) -> None:
    person.write("a red car", steps=1)
    person.page.click("#seed-lock")
    for count in range(1, 5):
        person.generate()
        person.see("#strip .card").to_have_count(count)
    person.page.set_viewport_size({"width": 390, "height": 844})
    for tab in ("Edit", "Regions", "Time", "Weights"):
        person.tab(tab)
        person.page.wait_for_function(
            "innerWidth === 390 && document.documentElement.scrollWidth <= 390"
            " && document.querySelector('#stage').clientWidth >= 240"
        )


def test_on_a_telephone_the_picture_stays_in_sight_of_what_acts_on_it(person: Any) -> None:
    person.page.set_viewport_size({"width": 390, "height": 844})
    person.tab("Prompt").write("a red car", steps=1).generate()
    for tab, button in (("Edit", "#edit-run"), ("Regions", "#regions-draw"), ("Time", "#step")):
        person.tab(tab)
        person.page.locator(button).scroll_into_view_if_needed()
        person.page.wait_for_function(
            """button => ["#stage", button].every((one) => {
              const box = document.querySelector(one).getBoundingClientRect();
              return box.top >= 0 && box.bottom <= innerHeight && box.height > 0;
            })""",
            arg=button,
        )
        person.see("#make").to_be_hidden()


def test_every_control_is_reached_by_the_tab_key_and_shows_that_it_is(person: Any) -> None:
    person.write("a red car", steps=1).generate()
    person.page.evaluate("document.activeElement.blur()")
    person.page.mouse.click(2, 2)
    reached = []
    for _ in range(80):
        person.page.keyboard.press("Tab")
        seen = person.page.evaluate(
            """() => {
              const outlined = (one) => getComputedStyle(one).outlineStyle !== "none";
              const one = document.activeElement;
              if (one === document.body) return null;
              const lit = outlined(one) || Boolean(one.closest(".wrap:focus-within"));
              return [one.id || one.closest("[id]").id, lit];
            }"""
        )
        if seen is None:
            break
        reached.append(seen)
    assert [place for place, lit in reached if not lit] == []
    expected = {"keys-open", "theme", "go", "model", "seed-lock", "seed-dice", "strength", "stage"}
    panels = {"all-tokens", "chips", "control-tabs", "weight-rows", "weights-draw", "dialect"}
    others = {"strip", "modes", "prompt", "negative", "word-replace", "word-off", "word-place"}
    assert expected | panels | others <= {place for place, _ in reached}


def test_light_and_dark_are_a_click_apart_and_remembered(person: Any) -> None:
    light, dark = "rgb(245, 245, 243)", "rgb(18, 18, 17)"
    person.see("body").to_have_css("background-color", light)
    person.page.click("#theme")
    person.see("body").to_have_css("background-color", dark)
    person.page.reload()
    person.see("body").to_have_css("background-color", dark)
    person.page.evaluate("localStorage.clear()")
