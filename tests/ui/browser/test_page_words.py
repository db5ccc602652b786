import re
from typing import Any

import pytest


def opacity(pixels: list[list[int]]) -> list[int]:
    return [pixel[3] for pixel in pixels]


def strongest(pixels: list[list[int]]) -> list[int]:
    return max(pixels, key=lambda pixel: pixel[3])[:3]


def test_pointing_at_a_word_shows_its_map_over_the_picture(drawn: Any) -> None:
    drawn.sees_over("none")
    drawn.chip("balloon").hover()
    drawn.sees_over("heat")
    drawn.see("#caption").to_contain_text("balloon")
    balloon = drawn.overlay()
    assert max(opacity(balloon)) > 120
    drawn.chip("grass").hover()
    assert max(opacity(drawn.overlay(balloon))) > 120
    drawn.page.mouse.move(2, 2)
    drawn.sees_over("none")


def test_a_map_comes_up_at_once_and_without_asking_the_server(drawn: Any) -> None:
    asked = len(drawn.asked)
    shown = drawn.page.evaluate(
        """() => [...document.querySelectorAll(".chip")].map((chip) => {
          chip.dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
          const overlay = document.querySelector("#overlay");
          return overlay.parentNode.dataset.over + " " + overlay.toDataURL();
        })"""
    )
    drawn.page.locator("#chips").dispatch_event("pointerleave")
    drawn.sees_over("none")
    assert len(set(shown)) == len(drawn.prompt.split()), "each word has its own, in the same moment"
    assert all(one.startswith("heat ") for one in shown)
    assert len(drawn.asked) == asked


def test_pinned_words_blend_in_their_own_colours_with_a_legend(drawn: Any) -> None:
    drawn.chip("car").click()
    drawn.chip("balloon").click()
    drawn.page.mouse.move(2, 2)
    named = re.compile
    drawn.see(".legend > span").to_have_text([named("^car"), named("^balloon")])
    drawn.sees_over("pins")
    for place, colour in enumerate(("rgb(240, 140, 46)", "rgb(74, 163, 234)")):
        drawn.see(f".legend .swatch >> nth={place}").to_have_css("background-color", colour)
    both = drawn.overlay()
    drawn.chip("car").click()
    drawn.page.mouse.move(2, 2)
    drawn.see(".legend > span").to_have_text([named("^balloon")])
    balloon = strongest(drawn.overlay())
    drawn.chip("balloon").click()
    drawn.chip("car").click()
    drawn.page.mouse.move(2, 2)
    drawn.see(".legend > span").to_have_text([named("^car")])
    car = strongest(drawn.overlay())
    assert balloon == pytest.approx([74, 163, 234], abs=6)
    assert car == pytest.approx([240, 140, 46], abs=6)
    mixed = strongest(both)
    assert min(balloon[0], car[0]) < mixed[0] < max(balloon[0], car[0])


def test_spotlight_contours_and_strength_change_how_attention_is_drawn(drawn: Any) -> None:
    seen = []
    for mode in ("Heat", "Spotlight", "Contours"):
        drawn.page.click(f"#modes button:has-text('{mode}')")
        drawn.chip("balloon").hover()
        drawn.sees_over(mode.lower())
        seen.append(drawn.overlay(*seen))
    drawn.page.click("#modes button:has-text('Heat')")
    drawn.page.fill("#strength", "30")
    drawn.chip("balloon").hover()
    drawn.sees_over("heat")
    assert max(opacity(drawn.overlay(*seen))) < 0.5 * max(opacity(seen[0]))
    drawn.page.fill("#strength", "80")


def test_words_can_be_used_by_keys_alone(person: Any) -> None:
    person.write("a red car on grass").generate()
    keys = person.page.keyboard
    person.chip("a").locator(".w").focus()
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    person.see(".chip .w:focus").to_have_text("car")
    person.sees_over("heat")
    keys.press("Enter")
    person.see("#say").to_have_text("car pinned")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    keys.press("Shift+ArrowUp")
    person.sees_weight("car", "1.21")
    keys.press("0")
    person.sees_weight("car", "1.0")
    keys.press("Escape")
    person.see(".chip.pin").to_have_count(0)


def test_two_of_one_word_are_told_apart(drawn: Any) -> None:
    for number in (1, 2):
        drawn.page.locator(".chip", has_text=f"a{number}").hover()
        drawn.see("#caption b").to_have_text(f"a {number}")
    drawn.see("#caption").to_contain_text(re.compile("covers [0-9.]+ % of the picture"))


def test_chip_table_and_caption_tell_the_same_share(drawn: Any) -> None:
    for word in ("car", "balloon"):
        drawn.chip(word).hover()
        drawn.see("#caption b").to_have_text(word)
        label = drawn.chip(word).locator(".w").get_attribute("aria-label")
        share = label.split(", ")[-1].removesuffix(" of the picture covered")
        drawn.see("#caption").to_contain_text(f"covers {share} of the picture")
        row = drawn.page.locator(".weight-row", has=drawn.page.get_by_text(word, exact=True))
        assert row.locator(".n").inner_text() == share


def test_small_words_are_read_but_folded_away_from_the_weights(drawn: Any) -> None:
    small = [re.compile(f"^{word}") for word in ("a", "left", "of", "a", "on")]
    drawn.see(".chip.minor .w").to_have_text(small)
    drawn.see("#weight-rows summary").to_have_text("5 small words")
    drawn.see("input[aria-label='Weight of left']").to_be_hidden()


def test_tokens_start_end_and_padding_are_shown_on_request(drawn: Any) -> None:
    drawn.page.click("#all-tokens")
    drawn.see(".chip .w >> nth=0").to_have_text("start")
    names = drawn.page.locator(".chip .w").all_inner_texts()
    drawn.page.click("#all-tokens")
    assert names[-2:] == ["end", "padding"]
    assert len(names) > len(drawn.prompt.split()) + 3, "balloon takes several tokens"
    drawn.see(".chip").to_have_count(len(drawn.prompt.split()))


def test_pointing_at_a_place_ranks_its_words(drawn: Any) -> None:
    drawn.page.locator("#stage").hover(position={"x": 150, "y": 200})
    drawn.see("#pop .n").to_have_count(5)
    named = drawn.page.locator("#pop li span:first-child").all_inner_texts()
    assert not {"a 1", "left", "of", "on"} & set(named), "small words are no answer"
    shares = [int(text.split(" %")[0]) for text in drawn.page.locator("#pop .n").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    drawn.page.locator("#stage").click(position={"x": 150, "y": 200})
    drawn.page.mouse.move(2, 2)
    first = drawn.page.locator("#pop li button").first
    word = first.locator("span").first.inner_text()
    first.click()
    drawn.page.mouse.move(2, 2)
    drawn.see("#say").to_have_text(f"{word} pinned")
    drawn.see(".chip.pin").to_have_count(1)
    drawn.page.click("#pop [aria-label='Let the place go']")
    drawn.see("#pop").to_be_hidden()


def test_a_place_can_be_moved_and_read_by_keys(drawn: Any) -> None:
    drawn.page.focus("#stage")
    drawn.page.keyboard.press("ArrowRight")
    drawn.page.keyboard.press("ArrowRight")
    drawn.see("#pop").to_be_visible()
    drawn.see("#say").to_contain_text("row")
    drawn.page.keyboard.press("Escape")
    drawn.see("#pop").to_be_hidden()


def test_nothing_jumps_when_words_are_pointed_at(drawn: Any) -> None:
    def places() -> object:
        return drawn.page.evaluate(
            "['#stage', '#chips', '#part-weights', '#history'].map(one =>"
            " { const box = document.querySelector(one).getBoundingClientRect();"
            " return [box.x, box.y, box.width, box.height]; })"
        )

    drawn.page.wait_for_function("document.fonts.status === 'loaded'")
    before = places()
    for word in ("car", "balloon", "grass"):
        drawn.chip(word).hover()
        drawn.see("#caption").to_contain_text(word)
        assert places() == before


def test_nothing_below_jumps_when_another_panel_is_opened(drawn: Any) -> None:
    drawn.page.wait_for_function("document.fonts.status === 'loaded'")
    drawn.tab("Edit").page.fill("#target textarea", "a red car left of a blue boat on grass")
    drawn.see("#align tr").to_have_count(3)
    tops = set()
    for tab, last in (
        ("Edit", "#align tr"),
        ("Regions", "#region-words button"),
        ("Time", "#heads button"),
        ("Weights", ".weight-row"),
    ):
        drawn.tab(tab).page.wait_for_selector(f"{last}:visible")
        tops.add(drawn.page.locator("#history").evaluate("one => one.offsetTop"))
    assert len(tops) == 1
