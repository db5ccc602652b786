"""What the model knows, what it does not, and what each panel is for."""

from typing import Any


def test_words_that_the_model_knows_are_put_where_the_caret_is(person: Any) -> None:
    page = person.page
    page.fill("#prompt textarea", "a red at night")
    person.see("#palette summary").to_have_text("Words that emoji-sd knows, LoRAs")
    page.focus("#prompt textarea")
    page.keyboard.press("Home")
    for _ in "a red":
        page.keyboard.press("ArrowRight")
    page.click("#palette summary")
    page.click("#palette-words button:text-is('🚀 rocket')")
    person.see("#prompt textarea").to_have_value("a red rocket at night")
    person.see("#prompt-hint").to_contain_text("5 words")
    page.click("#palette-words button:text-is('ink')")
    person.see("#prompt textarea").to_have_value("a red rocket <lora:ink:1> at night")
    person.see("#prompt-hint").to_contain_text("5 words")


def test_an_emoji_is_told_with_its_word_which_one_press_puts_in_its_place(person: Any) -> None:
    person.page.fill("#prompt textarea", "a red 🚗 on grass")
    person.see("#prompt-hint").to_have_text("🚗 is new to emoji-sd. Did you mean car?")
    person.page.click("#prompt-hint button")
    person.see("#prompt textarea").to_have_value("a red car on grass")
    person.see("#prompt-hint").to_contain_text("5 words")


def test_each_panel_says_what_it_is_for_when_asked(drawn: Any) -> None:
    drawn.see("#why-text").to_be_hidden()
    drawn.page.click("#why")
    told = []
    for name in ("Edit", "Regions", "Time", "Save", "Weights"):
        drawn.tab(name)
        told.append(drawn.page.inner_text("#why-text"))
    assert len({text for text in told if len(text) > 60}) == 5
    assert "more than a fifth of the attention" in told[-1]
    drawn.page.press("#why", "Escape")
    drawn.see("#why-text").to_be_hidden()


def test_what_no_word_explains_is_told_beside_all_tokens(drawn: Any) -> None:
    drawn.page.click("#all-tokens")
    drawn.see("#word-bar").to_contain_text("of all attention rests on no word")
    drawn.page.click("#all-tokens")


def test_negative_words_are_chips_that_are_weighed_and_taken_out(person: Any) -> None:
    page = person.page
    page.fill("#negative textarea", "snow, a ghost")
    person.see("#negative-words .negative").to_have_count(3)
    page.click("[aria-label='ghost, more of it kept out']")
    person.see("#negative textarea").to_have_value("snow, a (ghost:1.1)")
    person.see("[aria-label='ghost, more of it kept out']").to_be_focused()
    page.click("[aria-label='snow, no longer kept out']")
    person.see("#negative-words .negative").to_have_count(2)
    person.see("#negative textarea").to_have_value("a (ghost:1.1)")
